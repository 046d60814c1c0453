/**
 * Where processors are few, the control thread goes first: probes, the other services' answers, the journal. A service's
 * thread gives way from its birth: its start is the most expensive thing most threads do, and crashes bring many.
 */
import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** A tenth of the processor time of the control thread, where both want all of it. */
const NICER_BY = 10
/** The threads of this process by the ids that the kernel has for them, which Node does not tell. */
const THREADS = '/proc/self/task'

/** Creates a thread. Only Linux has priorities of threads; elsewhere all of a process are equal. */
export function createWithLowPriority<Thread>(create: () => Thread): Thread {
  const before = new Set(threadIds())
  const thread = create()
  for (const id of threadIds()) if (!before.has(id)) lowerPriority(Number(id))
  return thread
}

/** @param id of a thread, or of a process that has just been forked: the threads it starts are born with its priority */
export function lowerPriority(id: number): void {
  try {
    setPriority(id, Math.min(getPriority(id) + NICER_BY, constants.priority.PRIORITY_LOW))
  } catch {
    // It has ended already, or a sandbox does not allow it: then all are equal.
  }
}

function threadIds(): string[] {
  try {
    return readdirSync(THREADS)
  } catch {
    return []
  }
}
