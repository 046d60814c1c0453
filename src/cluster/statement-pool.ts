/**
 * Connections for statements, which wait for any that is free, and never for a new one. More are opened beside that, one
 * after another: after an outage the first statements of all nodes come together, and a database that has just started would
 * be busy with thirty new connections instead of a few statements.
 */
import type { Pool, PoolClient } from 'pg'
import { timings } from './timings.ts'

export class StatementPool {
  readonly #pool: Pool
  readonly #most: number
  /** The last connection is not open for long, or not yet. */
  #rests = true

  /**
   * @param pool a new one, for one connection
   * @param most connections
   */
  constructor(pool: Pool, most: number) {
    this.#pool = pool
    this.#most = most
    // An idle connection that is lost: the pool has dropped it, and the beat notices if there is more to it.
    pool.on('error', () => {})
    pool.on('connect', () => this.#rest())
  }

  connect(): Promise<PoolClient> {
    const { idleCount, waitingCount } = this.#pool
    if (idleCount <= waitingCount) this.#openAnother()
    return this.#pool.connect()
  }

  #openAnother(): void {
    const { options } = this.#pool
    if (this.#rests || options.max >= this.#most) return
    this.#rests = true
    options.max += 1
    this.#pool.connect().then(
      (client) => client.release(),
      () => {
        options.max -= 1
        this.#rest()
      },
    )
  }

  #rest(): void {
    this.#rests = true
    setTimeout(() => {
      this.#rests = false
      if (this.#pool.waitingCount > 0) this.#openAnother()
    }, timings.openNextAfterMs).unref()
  }

  /** Resolves when all connections are closed. Those with a statement are closed after it. */
  end(): Promise<void> {
    return this.#pool.end()
  }
}
