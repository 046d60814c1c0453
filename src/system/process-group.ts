/** The server, and each service's process, leads a group of its own, so that what it has started ends with it. Pure. */

/** Ends a whole group at once, its leader included. */
export function killGroup(leader: number): void {
  // 0 would be one's own.
  if (leader === 0) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // There is nothing left, which is as it should be.
  }
}
