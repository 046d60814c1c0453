/**
 * Keeps a service module from sending signals to the processes of the server. `process.kill(process.pid)` in a thread
 * would end the server, with all other services, and SIGUSR1 would open a debugger. It is an error in the module instead.
 */
import { syncBuiltinESMExports } from 'node:module'

/** Replaces `process.kill` of this thread, before the module is loaded. @param guarded ids of processes */
export function guardSignals(guarded: readonly number[]): void {
  const kill = process.kill.bind(process)
  const isGuarded = (pid: number) =>
    // Minus an id, and 0 for the own one, is a group of processes; -1 is all processes.
    pid === -1 || guarded.includes(Math.abs(pid)) || (pid === 0 && guarded.includes(process.pid))
  process.kill = (pid, signal) => {
    // Signal 0 only asks whether the process exists.
    if (signal !== 0 && isGuarded(Number(pid))) {
      const why = `process.kill(${pid}) is refused: a service may not send signals to the processes of its server`
      throw Object.assign(new Error(why), { code: 'EPERM' })
    }
    return kill(pid, signal)
  }
  // So that `import { kill } from 'node:process'` gets it too.
  syncBuiltinESMExports()
}
