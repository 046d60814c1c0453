/**
 * Enforces a method's own `timeoutMs`, counted from the moment the method began. Past it the method is aborted; a
 * method that still goes on after the grace is overdue, and its thread is to be retired. The deadline of a client is
 * something else: it never costs a thread. Also notices a thread that runs nothing and begins nothing that it was handed.
 */
import type { QueuedMethod } from './queued-method.ts'

/** How often the methods that run are looked at, in milliseconds. */
const SWEEP_EVERY_MS = 50

/** The methods handed to one thread. */
interface HandedMethods {
  /** How many were handed to the thread and have not ended. */
  readonly load: number
  /** Those that the thread has begun. */
  readonly running: QueuedMethod[]
}

export interface OverdueSweepOptions {
  /** Asked anew each time: the option may change while methods run. */
  cancelGraceMs: () => number
  /**
   * A method went on after its own deadline or its cancellation, and the grace. Called in each sweep, until it ends.
   */
  onOverdue: (method: QueuedMethod) => void
  /** How long a thread may run nothing while it has methods to begin, in milliseconds. */
  beginWithinMs: () => number
  /** The thread has begun nothing for so long. Called once. */
  onNothingBegun: () => void
}

export class OverdueSweep {
  readonly #handed: HandedMethods
  readonly #options: OverdueSweepOptions
  #timer: NodeJS.Timeout | undefined
  /** Sweeps and not milliseconds: a pause of the whole process counts as one. */
  #sweepsWithoutRunning = 0

  constructor(handed: HandedMethods, options: OverdueSweepOptions) {
    this.#handed = handed
    this.#options = options
  }

  /** Called for each method that is handed out. The sweep stops by itself when none is left. */
  start(): void {
    this.#timer ??= setInterval(this.#sweep, SWEEP_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#sweepsWithoutRunning = 0
  }

  /** Are all methods that still run overdue? */
  get allOverdue(): boolean {
    const now = performance.now()
    return this.#handed.running.every((method) => now >= this.#overdueAt(method))
  }

  readonly #sweep = (): void => {
    if (this.#handed.load === 0) return this.stop()
    const now = performance.now()
    const { running } = this.#handed
    for (const method of running) {
      method.begunAt ??= now
      if (now >= method.begunAt + method.timeoutMs) {
        method.abort(
          'DEADLINE_EXCEEDED',
          `${method.service}.${method.method} ran for longer than ${method.timeoutMs} ms`,
        )
      }
    }
    // After all aborts: if the first overdue method costs the thread, the others still fail with their own deadlines.
    for (const method of running) if (now >= this.#overdueAt(method)) this.#options.onOverdue(method)
    this.#sweepsWithoutRunning = running.length > 0 ? 0 : this.#sweepsWithoutRunning + 1
    const withoutRunningMs = this.#sweepsWithoutRunning * SWEEP_EVERY_MS
    if (withoutRunningMs <= this.#options.beginWithinMs()) return
    this.#sweepsWithoutRunning = Number.NEGATIVE_INFINITY
    this.#options.onNothingBegun()
  }

  #overdueAt({ begunAt = Number.POSITIVE_INFINITY, timeoutMs, cancelledAt = Number.POSITIVE_INFINITY }: QueuedMethod) {
    return Math.min(begunAt + timeoutMs, cancelledAt) + this.#options.cancelGraceMs()
  }
}
