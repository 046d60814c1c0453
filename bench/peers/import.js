/** Imports a peer. The peers are installed in this folder, so Node finds them from a file in this folder. */
export const importPeer = (name) => import(name)
