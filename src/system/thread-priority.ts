/**
 * Gives the threads of services a lower priority than the control thread. Where processors are few, the control thread
 * then still answers probes, serves other services, and writes the journal.
 *
 * The priority is lowered when the thread is created. A thread that lowered its own would first use normal priority for
 * its start, which is the most expensive work of most threads, and is repeated after each crash.
 */
import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** Added to the nice value: a tenth of the processor time of the control thread, when both compete for it. */
const NICER_BY = 10
/** The kernel's ids of the threads of this process, which Node does not tell. */
const THREADS = '/proc/self/task'

/** Lowers the priority of the thread that `create` creates. Only Linux has a priority per thread. */
export function createWithLowPriority<Thread>(create: () => Thread): Thread {
  const before = new Set(threadIds())
  const thread = create()
  for (const id of threadIds()) if (!before.has(id)) lowerPriority(Number(id))
  return thread
}

/** @param id the kernel's id of a thread, or of a process that was just forked, whose threads inherit its priority */
export function lowerPriority(id: number): void {
  try {
    setPriority(id, Math.min(getPriority(id) + NICER_BY, constants.priority.PRIORITY_LOW))
  } catch {
    // The thread has ended already, or a sandbox forbids this: then the priority stays as it is.
  }
}

function threadIds(): string[] {
  try {
    return readdirSync(THREADS)
  } catch {
    return []
  }
}
