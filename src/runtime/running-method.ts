/**
 * The context that a handler gets: signal, logger, progress and job of one running method. Signal and logger are
 * created when they are first used, because most handlers use neither.
 */
import type { MessageBatcher } from '../async/message-batcher.ts'
import type { JobContext } from '../contract/description.ts'
import { fromWireError, type WireError } from '../contract/errors.ts'
import type { MethodContext, ServiceContext, ServiceLogger } from '../module/define-service.ts'
import type { LogOrigin, ProgressMessage, RunMessage, ThreadMessage } from '../protocol/messages.ts'
import { StreamCredit } from './stream-credit.ts'
import type { ThreadLogger } from './thread-logger.ts'

/** Shortest time between two progress messages of one method (P5), in milliseconds. */
const PROGRESS_EVERY_MS = 50

export class RunningMethod implements MethodContext {
  readonly job: JobContext
  readonly contentType: string | undefined
  readonly state: unknown
  readonly config: unknown
  readonly #message: RunMessage
  readonly #batcher: MessageBatcher<ThreadMessage>
  readonly #threadLogger: ThreadLogger
  #controller: AbortController | undefined
  #logger: ServiceLogger | undefined
  #credit: StreamCredit | undefined
  /** The latest progress, if it has not been sent yet. */
  #progress: ProgressMessage | undefined
  #progressTimer: NodeJS.Timeout | undefined
  #nextProgressAt = 0

  constructor(
    message: RunMessage,
    batcher: MessageBatcher<ThreadMessage>,
    logger: ThreadLogger,
    { state, config }: Pick<ServiceContext, 'state' | 'config'>,
  ) {
    this.#message = message
    this.#batcher = batcher
    this.#threadLogger = logger
    this.job = message.job
    this.contentType = message.contentType
    this.state = state
    this.config = config
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get logger(): ServiceLogger {
    this.#logger ??= this.#threadLogger.for(this.#origin)
    return this.#logger
  }

  get #origin(): LogOrigin {
    const { id: jobId, attempt, traceparent } = this.job
    // The second of the four parts of the header.
    const traceId = traceparent?.split('-')[1]
    return { jobId, method: this.#message.method, attempt, ...(traceId !== undefined && { traceId }) }
  }

  /** How many bytes of a stream may still be sent. */
  get credit(): StreamCredit {
    this.#credit ??= new StreamCredit()
    return this.#credit
  }

  /**
   * Sends how far the method is. Of several calls within {@link PROGRESS_EVERY_MS}, only the last is sent.
   * A bound function, because handlers destructure the context: `({ progress }) => …`.
   */
  readonly progress = (fraction: number, note?: string): void => {
    const { slot, sequence } = this.#message
    this.#progress ??= { type: 'progress', slot, sequence, fraction: 0 }
    this.#progress.fraction = Math.min(Math.max(Number(fraction) || 0, 0), 1)
    if (note !== undefined) this.#progress.note = String(note).slice(0, 1_000)
    if (this.#progressTimer !== undefined) return
    const waitMs = this.#nextProgressAt - performance.now()
    if (waitMs <= 0) this.#sendProgress()
    else this.#progressTimer = setTimeout(this.#sendProgress, waitMs).unref()
  }

  readonly #sendProgress = (): void => {
    this.#progressTimer = undefined
    this.#nextProgressAt = performance.now() + PROGRESS_EVERY_MS
    if (this.#progress !== undefined) this.#batcher.push(this.#progress)
    this.#progress = undefined
  }

  /** Sends the latest progress now: the method has ended, and its outcome comes after it. */
  flushProgress(): void {
    if (this.#progressTimer === undefined) return
    clearTimeout(this.#progressTimer)
    this.#sendProgress()
  }

  abort(reason: WireError): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(fromWireError(reason))
    // A stream that waits for credit goes on, and sees that its signal has fired.
    this.#credit?.give(Number.POSITIVE_INFINITY)
  }
}
