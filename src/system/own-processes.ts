/** The processes that the server consists of. What runs in a service's thread may not send signals to them. */

/** Ids: this process, the launcher if there is one, and what is added, such as the journal's process. */
export const ownProcesses = new Set([process.pid, ...(process.connected ? [process.ppid] : [])])
