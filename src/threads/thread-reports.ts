/** Tells what happens to the threads of one service: that they start, end, crash, and do not respond. */
import { type CrashCause, type EventError, eventError, type ThreadEndReason } from '../contract/events.ts'
import type { ChargedTo } from '../supervision/lifecycle.ts'
import type { ThreadSession } from './thread-session.ts'

/** An event of a thread. `id` is 0 of one that never was. */
export type ThreadEvent =
  | { type: 'thread.started'; id: number; tookMs: number }
  | { type: 'thread.ended'; id: number; reason: ThreadEndReason }
  | { type: 'thread.crashed'; id: number; cause: CrashCause; error: EventError; chargedTo: ChargedTo; jobId?: string }
  | { type: 'thread.unresponsive' | 'thread.responsive' | 'thread.stuck'; id: number; sinceMs: number }

export class ThreadReports {
  readonly #tell: (event: ThreadEvent) => void
  /** Threads that have started, and whose end was not told yet. */
  readonly #alive = new Set<ThreadSession>()

  constructor(tell: (event: ThreadEvent) => void = () => {}) {
    this.#tell = tell
  }

  /** @param reasonOf why the thread ended, asked when it has ended in good order */
  started(session: ThreadSession, tookMs: number, reasonOf: () => ThreadEndReason): void {
    this.#tell({ type: 'thread.started', id: session.id, tookMs: Math.round(tookMs) })
    this.#alive.add(session)
    void session.worker.stop().then(() => {
      if (this.#alive.delete(session)) this.#tell({ type: 'thread.ended', id: session.id, reason: reasonOf() })
    })
  }

  /** @param chargedTo what its death counts against, with the job if it is that */
  died(session: ThreadSession, reason: Error, chargedTo: ChargedTo, jobId: string | undefined): void {
    if (!this.#alive.delete(session)) return
    const job = jobId === undefined ? {} : { jobId }
    const error = eventError(reason)
    this.#tell({ type: 'thread.crashed', id: session.id, cause: crashCauseOf(reason), error, chargedTo, ...job })
  }

  failedToStart(error: Error): void {
    this.#tell({ type: 'thread.crashed', id: 0, cause: 'start', error: eventError(error), chargedTo: 'service' })
  }

  responds({ id }: ThreadSession, responsive: boolean, silentMs: number): void {
    const type = responsive ? 'thread.responsive' : 'thread.unresponsive'
    this.#tell({ type, id, sinceMs: Math.round(silentMs) })
  }

  stuck({ id, silentMs }: ThreadSession): void {
    this.#tell({ type: 'thread.stuck', id, sinceMs: Math.round(silentMs) })
  }
}

/** How a thread died, by the error that its worker, or its own last message, gives as the reason. */
function crashCauseOf({ message, code }: Error & { code?: string }): CrashCause {
  if (code === 'ERR_WORKER_OUT_OF_MEMORY' || /maxRssMb/.test(message)) return 'oom'
  if (/^the thread of \S+ hangs: /.test(message)) return 'hang'
  if (message.startsWith('flood of ')) return 'flood'
  if (/ was ended by SIG/.test(message)) return 'killed'
  return / exited with code \d+/.test(message) ? 'exit' : 'exception'
}
