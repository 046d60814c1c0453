/**
 * Kills a process together with all processes that it has started. The server, and each process of a service, is the
 * leader of a process group of its own. Pure.
 */

/** Sends SIGKILL to a process group, its leader included. Does nothing if the group has ended. */
export function killGroup(leader: number): void {
  // 0 would mean the group of this process.
  if (leader === 0) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // The group has ended already.
  }
}
