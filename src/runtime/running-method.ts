/** One method while it runs: what its handler is given. Made lazily, as most handlers look at little of it. */
import type { JobContext } from '../contract/description.ts'
import { fromWireError, type WireError } from '../contract/errors.ts'
import type { MessageBatcher } from '../async/message-batcher.ts'
import type { ProgressMessage, RunMessage, ThreadMessage } from '../protocol/messages.ts'
import type { MethodContext, ServiceLogger } from '../module/define-service.ts'
import { Credits } from './stream-items.ts'
import type { ThreadLogger } from './thread-logger.ts'

/** Least time between two messages about the progress of a method (P5), in milliseconds. */
const PROGRESS_EVERY_MS = 50

export class RunningMethod implements MethodContext {
  readonly job: JobContext
  readonly contentType: string | undefined
  readonly state: unknown
  readonly #message: RunMessage
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #threadLogger: ThreadLogger
  #controller: AbortController | undefined
  #logger: ServiceLogger | undefined
  #credits: Credits | undefined
  /** What was told last, and waits to be sent. */
  #progress: ProgressMessage | undefined
  #progressTimer: NodeJS.Timeout | undefined
  #quietUntil = 0

  constructor(message: RunMessage, batcher: MessageBatcher<ThreadMessage>, logger: ThreadLogger, state: unknown) {
    this.#message = message
    this.#batcher = batcher
    this.#threadLogger = logger
    this.job = message.job
    this.contentType = message.contentType
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

  /** Of a stream: how much more of it is taken. */
  get credits(): Credits {
    this.#credits ??= new Credits()
    return this.#credits
  }

  /** Bound, because handlers take it apart: `({ progress }) => …`. Of what follows soon, only the last is sent. */
  readonly progress = (fraction: number, note?: string): void => {
    const { slot, sequence } = this.#message
    this.#progress ??= { type: 'progress', slot, sequence, fraction: 0 }
    this.#progress.fraction = Math.min(Math.max(Number(fraction) || 0, 0), 1)
    if (note !== undefined) this.#progress.note = String(note).slice(0, 1_000)
    if (this.#progressTimer !== undefined) return
    const quietMs = this.#quietUntil - performance.now()
    if (quietMs <= 0) this.#tellProgress()
    else this.#progressTimer = setTimeout(this.#tellProgress, quietMs).unref()
  }

  readonly #tellProgress = (): void => {
    this.#progressTimer = undefined
    this.#quietUntil = performance.now() + PROGRESS_EVERY_MS
    if (this.#progress !== undefined) this.#batcher.push(this.#progress)
    this.#progress = undefined
  }

  /** It has ended: what it told last comes before its outcome. */
  end(): void {
    if (this.#progressTimer === undefined) return
    clearTimeout(this.#progressTimer)
    this.#tellProgress()
  }

  abort(reason: WireError): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(fromWireError(reason))
    // It waits for nobody any more.
    this.#credits?.give(Number.POSITIVE_INFINITY)
  }
}
