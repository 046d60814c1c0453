/**
 * Connections for statements, which wait for any that is free, and never for a new one. More are opened beside that, one
 * after another: after an outage the first statements of all nodes come together, and a database that has just started would
 * be busy with thirty new connections instead of a few statements.
 */
import type { Pool, PoolClient } from 'pg'
import { timings } from './timings.ts'

export class StatementPool {
  readonly #pool: Pool
  readonly #maxConnections: number
  /** Whether another connection may be opened: not while one is being opened, nor for a moment after that. */
  #another: 'may' | 'opening' | 'rests' = 'rests'

  /**
   * @param pool a new one, for one connection
   * @param tries the first connection tries whether the database can be used, and settles an outage before it is released
   */
  constructor(pool: Pool, maxConnections: number, tries: boolean) {
    this.#pool = pool
    this.#maxConnections = maxConnections
    const { options } = pool
    options.connectionTimeoutMillis = tries ? timings.beatWithinMs : timings.connectionWithinMs
    pool.once('connect', () => {
      options.connectionTimeoutMillis = timings.connectionWithinMs
    })
    pool.once(tries ? 'release' : 'connect', () => this.#rest())
    // An idle connection that is lost: the pool has dropped it, and the beat notices if there is more to it.
    pool.on('error', () => {})
    pool.on('remove', () => this.#limit())
  }

  connect(): Promise<PoolClient> {
    const connected = this.#pool.connect()
    process.nextTick(() => this.#openAnother())
    return connected
  }

  #openAnother(): void {
    const { options, totalCount, idleCount, waitingCount } = this.#pool
    if (this.#another !== 'may' || totalCount >= this.#maxConnections) return
    // Each that is free is given away within this tick.
    if (waitingCount === 0 || idleCount > 0) return
    this.#another = 'opening'
    // While there is room, the pool opens a connection for who asks, who then waits for just that one.
    options.max = totalCount + 1
    const opening = this.#pool.connect()
    this.#limit()
    opening.then(
      (client) => {
        this.#rest()
        client.release()
      },
      () => this.#rest(),
    )
  }

  #rest(): void {
    this.#another = 'rests'
    this.#limit()
    setTimeout(() => {
      this.#another = 'may'
      this.#openAnother()
    }, timings.openNextAfterMs).unref()
  }

  /** To those that are open. Of none, the first statement opens one. */
  #limit(): void {
    const { options, totalCount } = this.#pool
    options.max = Math.max(this.#another === 'opening' ? totalCount - 1 : totalCount, 1)
  }

  /** Resolves when all connections are closed. Those with a statement are closed after it. */
  end(): Promise<void> {
    return this.#pool.end()
  }
}
