/** From here the peers are found: they are installed in this folder. */
export const importPeer = (name) => import(name)
