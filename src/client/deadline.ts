/** The time that one operation of the client has, over all of its tries; and waits that end with it. */
import { PlaneError } from './plane-error.ts'

/** The longest `Request-Timeout` that a server takes. */
export const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1_000

/** Fires its signal at the end of the time, with a `PlaneError` TIMED_OUT as the reason, or with the caller's signal. */
export class Deadline {
  readonly signal: AbortSignal
  readonly #at: number
  readonly #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param timeoutMs 1 ms to 24 h; infinite: only the caller's signal ends it
   * @throws RangeError; the reason of `signal`, if that has fired
   */
  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    if (!(timeoutMs >= 1 && (timeoutMs <= MAX_TIMEOUT_MS || timeoutMs === Number.POSITIVE_INFINITY))) {
      throw new RangeError(`timeoutMs is ${timeoutMs}: it must be from 1 to ${MAX_TIMEOUT_MS} milliseconds`)
    }
    signal?.throwIfAborted()
    const late = new AbortController()
    this.signal = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
    this.#at = performance.now() + timeoutMs
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => {
      late.abort(new PlaneError(`no answer within ${timeoutMs} ms`, { status: 0, code: 'TIMED_OUT', retryable: true }))
    }, timeoutMs)
  }

  get leftMs(): number {
    return this.#at - performance.now()
  }

  /** Stops its timer. What is under way then ends only with the caller's signal. */
  end(): void {
    clearTimeout(this.#timer)
  }
}

/** @throws the reason of the signal, as soon as it fires */
export function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, delayMs)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
