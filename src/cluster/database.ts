/**
 * The database as the store uses it: statements over a bounded number of connections, each with a deadline, and none while
 * the database is down: then they are refused at once (see `Pulse`). A statement whose answer was lost may have been done:
 * it is rejected with `AnswerLost`, and before the next statement its connection has surely ended.
 */
import type { Client, PoolClient } from 'pg'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import type { ServiceLog } from '../contract/log.ts'
import { answersWithin } from './answers-within.ts'
import { type Backend, type ConnectionOptions, type Connections, connectionsTo } from './connections.ts'
import { AnswerLost, isAnswer, isOutage, isTooSlow, unavailable, whyUnavailable } from './database-errors.ts'
import { migrate } from './migrate.ts'
import { Pulse, type RowKeeper } from './pulse.ts'
import { type Answer, type Run, type Statement, statement } from './statement.ts'
import type { StatementPool } from './statement-pool.ts'
import { timings } from './timings.ts'

/** Statements that may wait for their answers. */
const MAX_WAITING = 10_000

/** From one look whether connections that were given up have ended to the next. */
const ABANDONED_END_MS = 10

export interface DatabaseOptions extends ConnectionOptions {
  log: ServiceLog
}

/** A statement that waits for its answer. */
interface Asked {
  answer: Deferred<Answer<unknown>>
  client: PoolClient | undefined
}

/**
 * Connections of this process that were given up. Answers how many are left: they may still be doing something. The view
 * `pg_stat_activity` reads the activity of all processes, and takes 4 ms to plan.
 */
const END_ABANDONED = statement(
  'endAbandoned',
  `SELECT count(pg_terminate_backend(activity.pid))::int AS left
    FROM unnest($2::int[]) AS given (pid), pg_stat_get_activity(given.pid) AS activity WHERE application_name = $1`,
)

export class Database {
  readonly log: ServiceLog
  readonly #connections: Connections
  readonly #options: DatabaseOptions
  readonly #pulse: Pulse
  readonly #asked = new Set<Asked>()
  #pool: StatementPool
  /** Of connections that were given up while they had a statement. */
  #abandoned: Backend[] = []
  /** Settles what an outage has left open, before other statements. Is repeated until it succeeds. */
  settle: (run: Run) => Promise<void> = async () => {}
  /** Told of the first beat, at the start and after each outage. */
  onUp: () => void = () => {}

  private constructor(options: DatabaseOptions, connections: Connections) {
    this.#options = options
    this.log = options.log
    this.#connections = connections
    this.#pool = connections.pool(false)
    this.#pulse = new Pulse({
      connect: connections.connect,
      run: runOn,
      onDown: (why, error) => this.#down(why, error),
      borrow: () => this.#borrow(),
      reopen: (keeper) => this.#reopen(keeper),
      onUp: () => {
        this.log.info('the database can be used')
        this.onUp()
      },
    })
  }

  /**
   * Connects, and brings the tables up to date. The beat begins with `start`.
   * @throws if the database cannot be reached within 10 s, refuses the login, or was written by a newer version
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const connections = await connectionsTo(options)
    const endsAt = performance.now() + timings.openWithinMs
    for (;;) {
      try {
        const client = await connections.connect()
        try {
          await migrate(client, options.schema)
        } finally {
          void client.end().catch(() => {})
        }
        return new Database(options, connections)
      } catch (error) {
        const { code = '' } = error as { code?: string }
        const mayPass = isOutage(error) && !code.startsWith('28') && code !== '3D000'
        if (!mayPass || performance.now() > endsAt) throw notOpened(error)
        await new Promise((resolve) => setTimeout(resolve, timings.retryEveryMs))
      }
    }
  }

  /** Resolves after the first beat. */
  async start(keeper: RowKeeper): Promise<void> {
    this.#pulse.start(keeper)
    if (!(await resolvesWithin(this.#pulse.untilUp, timings.openWithinMs)))
      throw notOpened(new Error(this.#pulse.why ?? ''))
  }

  /** False while statements are refused. */
  get isWritable(): boolean {
    return this.#pulse.isUsable
  }

  /** Statements that wait for their answers. */
  get waiting(): number {
    return this.#asked.size
  }

  /** Beats now, and not up to a second later. */
  beatNow(): void {
    this.#pulse.beatNow()
  }

  /** Resolves when the first beat at the start, or after an outage, has succeeded. */
  get untilUp(): Promise<void> {
    return this.#pulse.untilUp
  }

  /** True as soon as statements are not refused, false after so long. */
  isBackWithin(ms: number): Promise<boolean> {
    return resolvesWithin(this.#pulse.untilUsable, ms)
  }

  /** Runs a statement on any connection. @throws JOURNAL_UNAVAILABLE; `AnswerLost` if it may have been done all the same */
  readonly run: Run = async <Row>(asked: Statement, values: unknown[]) => {
    const { why } = this.#pulse
    if (why !== undefined) throw unavailable(why)
    if (this.#asked.size >= MAX_WAITING) throw unavailable(`${MAX_WAITING} statements already wait for the database`)
    const ask: Asked = { answer: new Deferred(), client: undefined }
    this.#asked.add(ask)
    void this.#ask(ask, asked, values)
    return (await ask.answer.promise) as Answer<Row>
  }

  async #ask(ask: Asked, asked: Statement, values: unknown[]): Promise<void> {
    let client: PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      // Nothing was sent. All connections may be busy, which says nothing about the database.
      if (!this.#asked.delete(ask)) return
      ask.answer.reject(unavailable(whyUnavailable(error), error))
      return this.#pulse.beatNow()
    }
    if (!this.#asked.has(ask)) return client.release()
    ask.client = client
    try {
      const answer = await runOn(client)(asked, values)
      if (!this.#asked.delete(ask)) return
      client.release()
      ask.answer.resolve(answer)
    } catch (error) {
      if (!this.#asked.delete(ask)) return
      if (isOutage(error)) {
        this.#abandon(client)
        ask.answer.reject(new AnswerLost(whyUnavailable(error), error))
        this.#pulse.fail(error)
      } else {
        client.release()
        ask.answer.reject(isTooSlow(error) ? unavailable(whyUnavailable(error), error) : (error as Error))
      }
    }
  }

  #abandon(client: PoolClient): void {
    const backend = this.#connections.backendOf(client)
    if (backend !== undefined) this.#abandoned.push(backend)
    client.release(true)
  }

  /** For a beat that has no connection of its own. */
  #borrow(): Run {
    const pool = this.#pool
    return async <Row>(asked: Statement, values: unknown[]) => {
      const client = await pool.connect()
      try {
        const answer = await runOn(client)<Row>(asked, values)
        client.release()
        return answer
      } catch (error) {
        this.#abandon(client)
        throw error
      }
    }
  }

  /** Gives up every connection: after an outage, one that looks idle may be dead. */
  #down(why: string, error: unknown): void {
    this.log.error({ err: error }, `the database cannot be used: ${why}`)
    for (const ask of this.#asked) {
      this.#asked.delete(ask)
      if (ask.client === undefined) ask.answer.reject(unavailable(why))
      else {
        this.#abandon(ask.client)
        ask.answer.reject(new AnswerLost(why))
      }
    }
    this.#renewPool()
  }

  #renewPool(): void {
    void this.#pool.end().catch(() => {})
    this.#pool = this.#connections.pool(true)
  }

  /**
   * Uses the first connection for statements, which then find it open: a database that has just started, with all nodes before
   * it, is busy with each new connection for much longer than with a statement.
   */
  async #reopen({ renew }: RowKeeper): Promise<void> {
    const connecting = this.#pool.connect()
    try {
      const client = await answersWithin(connecting, timings.beatWithinMs)
      const run = runOn(client)
      await answersWithin(renew(run), timings.beatWithinMs)
      await this.#settle(run, this.#connections.backendOf(client)?.server)
      client.release()
    } catch (error) {
      connecting.then(
        (client) => (isAnswer(error) ? client.release(true) : this.#abandon(client)),
        () => {},
      )
      this.#renewPool()
      throw error
    }
  }

  async #settle(run: Run, server: string | undefined): Promise<void> {
    // Those of an earlier start of the server have ended with it, and what another server does does not count any more.
    this.#abandoned = this.#abandoned.filter((each) => each.server === server)
    const endsAt = performance.now() + timings.answerWithinMs
    while (this.#abandoned.length > 0) {
      const given = this.#abandoned
      const { rows } = await run<{ left: number }>(END_ABANDONED, [
        this.#options.applicationName,
        given.map(({ pid }) => pid),
      ])
      if (rows[0]?.left === 0) this.#abandoned = this.#abandoned.filter((each) => !given.includes(each))
      else if (performance.now() > endsAt) throw new Error('a connection that was given up does not end')
      else await new Promise((resolve) => setTimeout(resolve, ABANDONED_END_MS))
    }
    await this.settle(run)
  }

  /** Statements that wait are given up, so they are to be awaited before. */
  async close(): Promise<void> {
    await this.#pulse.close()
    await resolvesWithin(this.#pool.end(), timings.beatWithinMs)
  }
}

function runOn(client: Client | PoolClient): Run {
  return async <Row>({ name, text }: Statement, values: unknown[]) => {
    const { rows, rowCount } = await client.query({ name, text, values })
    return { rows: rows as Row[], count: rowCount ?? 0 }
  }
}

/** The error that ends the start of a server, or a command. It names neither the password nor the address. */
export function notOpened(error: unknown): Error {
  const { message } = error as Error
  const why = isOutage(error) ? `${whyUnavailable(error)}: ${message}` : message
  return new Error(`the database of THREADPLANE_DATABASE_URL cannot be used: ${why}`, { cause: error })
}
