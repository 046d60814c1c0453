/** Lets so many events of jobs a second through to a stream, and counts the others. */
import { isJobType } from './event-filter.ts'
import type { LoggedEvent } from './event-log.ts'

const MAX_PER_SECOND = 500

export class JobRate {
  #endsAt = 0
  #admitted = 0
  #skipped = new Map<string, number>()

  /** Are there events that were left out, and not told yet? */
  get isSkipping(): boolean {
    return this.#skipped.size > 0
  }

  admits({ type }: LoggedEvent): boolean {
    if (!isJobType(type)) return true
    const now = performance.now()
    if (now >= this.#endsAt) {
      this.#endsAt = now + 1_000
      this.#admitted = 0
    }
    this.#admitted += 1
    if (this.#admitted <= MAX_PER_SECOND) return true
    this.#skipped.set(type, (this.#skipped.get(type) ?? 0) + 1)
    return false
  }

  /** How many were left out, once the second is over. */
  takeSkipped(): { count: number; by: Record<string, number> } | undefined {
    if (this.#skipped.size === 0 || performance.now() < this.#endsAt) return undefined
    const by = Object.fromEntries(this.#skipped)
    this.#skipped = new Map()
    return { count: Object.values(by).reduce((sum, count) => sum + count), by }
  }
}
