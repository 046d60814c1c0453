/** One method while it runs: what its handler is given. Made lazily, as most handlers look at little of it. */
import { fromWireError, type WireError } from '../errors.ts'
import type { Outbox } from '../outbox.ts'
import type { JobContext, ProgressMessage, RunMessage, ThreadMessage } from '../protocol.ts'
import type { MethodContext, ServiceLogger } from './define-service.ts'
import type { ThreadLogger } from './thread-logger.ts'

export class RunningMethod implements MethodContext {
  readonly job: JobContext
  readonly state: unknown
  readonly #message: RunMessage
  readonly #outbox: Outbox<ThreadMessage>
  readonly #threadLogger: ThreadLogger
  #controller: AbortController | undefined
  #logger: ServiceLogger | undefined
  #progress: { message: ProgressMessage; posts: number } | undefined

  constructor(message: RunMessage, outbox: Outbox<ThreadMessage>, logger: ThreadLogger, state: unknown) {
    this.#message = message
    this.#outbox = outbox
    this.#threadLogger = logger
    this.job = message.job
    this.state = state
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get logger(): ServiceLogger {
    this.#logger ??= this.#threadLogger.for(this.job.id)
    return this.#logger
  }

  /** Bound, because handlers take it apart: `({ progress }) => …`. Only the last of a turn is sent. */
  readonly progress = (fraction: number, note?: string): void => {
    const bounded = Math.min(Math.max(Number(fraction) || 0, 0), 1)
    const { slot, sequence } = this.#message
    if (this.#progress?.posts !== this.#outbox.posts) {
      const message: ProgressMessage = { type: 'progress', slot, sequence, fraction: bounded }
      this.#progress = { message, posts: this.#outbox.posts }
      this.#outbox.push(message)
    }
    this.#progress.message.fraction = bounded
    if (note !== undefined) this.#progress.message.note = String(note).slice(0, 1_000)
  }

  abort(reason: WireError): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(fromWireError(reason))
  }
}
