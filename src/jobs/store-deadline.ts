/**
 * A deadline on every answer of the store that a client waits for: a disk may hang for ever. The operation itself goes
 * on, and what follows from its answer is done when the answer comes; only the client is told (P5).
 */
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { timings } from './timings.ts'

interface Wait {
  /** Milliseconds of the monotonic clock. */
  endsAt: number
  reject: (error: ThreadplaneError) => void
}

export class StoreDeadline {
  /** The oldest first. One sweep for all: a timer for each cast would cost more than the cast itself. */
  readonly #waits = new Set<Wait>()
  #answers = true

  /** False from the first answer that did not come in time until the next answer. */
  get answers(): boolean {
    return this.#answers
  }

  /** The answer. @throws JOURNAL_UNAVAILABLE if it takes longer than `storeAnswersWithinMs` */
  within<T>(answer: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wait = { endsAt: performance.now() + timings.storeAnswersWithinMs, reject }
      this.#waits.add(wait)
      const answered = () => {
        this.#waits.delete(wait)
        this.#answers = true
      }
      answer.then(
        (value) => {
          answered()
          resolve(value)
        },
        (error: unknown) => {
          answered()
          reject(error as Error)
        },
      )
    })
  }

  /** Ends the waits whose time is over. To be called regularly. */
  sweep(): void {
    const now = performance.now()
    for (const wait of this.#waits) {
      if (wait.endsAt > now) return
      this.#waits.delete(wait)
      this.#answers = false
      wait.reject(noAnswer())
    }
  }
}

function noAnswer(): ThreadplaneError {
  const detail =
    `the journal has not answered within ${timings.storeAnswersWithinMs} ms. What was asked for may still be done: ` +
    'with an Idempotency-Key it is safe to ask again'
  return new ThreadplaneError('JOURNAL_UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
}
