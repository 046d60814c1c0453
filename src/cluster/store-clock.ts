/**
 * The clock of the database, which all nodes share: every time in a table is by it. A difference to the clock of this
 * process of less than a second is left as it is, so that times which are only passed through stay what they are.
 */
import { type Answer, type Run, statement } from './statement.ts'

/** SQL of the time at which the statement began. One that changed during the statement could not be looked up in an index. */
export const NOW = 'floor(extract(epoch FROM now()) * 1000)::bigint'

const TOLERATED_MS = 1_000

const READ_CLOCK = statement('readClock', `SELECT ${NOW} AS now`)

export class StoreClock {
  #aheadMs = 0

  /** What is to be added to a time by the clock of this process. */
  get aheadMs(): number {
    return this.#aheadMs
  }

  now(): number {
    return Date.now() + this.#aheadMs
  }

  /** By the clock of the database. */
  toStore(at: number): number {
    return at + this.#aheadMs
  }

  /** By the clock of this process. */
  fromStore(at: number): number {
    return at - this.#aheadMs
  }

  async measure(run: Run): Promise<void> {
    await this.measured(() => run<{ now: number }>(READ_CLOCK, []))
  }

  /** Compares the clocks by a statement that answers `now`. */
  async measured<Row extends { now: number }>(ask: () => Promise<Answer<Row>>): Promise<Answer<Row>> {
    const sentAt = Date.now()
    const since = performance.now()
    const answer = await ask()
    const [row] = answer.rows
    if (row !== undefined) {
      const aheadMs = Math.round(row.now - (sentAt + (performance.now() - since) / 2))
      this.#aheadMs = Math.abs(aheadMs) < TOLERATED_MS ? 0 : aheadMs
    }
    return answer
  }
}
