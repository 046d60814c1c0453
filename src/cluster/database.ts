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
import { type ConnectionOptions, type Connections, connectionsTo } from './connections.ts'
import { AnswerLost, isOutage, isTooSlow, unavailable, whyUnavailable } from './database-errors.ts'
import { migrate } from './migrate.ts'
import { type Heart, Pulse } from './pulse.ts'
import { type Answer, type Run, type Statement, statement } from './statement.ts'
import type { StatementPool } from './statement-pool.ts'
import { timings } from './timings.ts'

/** Statements that may wait for their answers. */
const MAX_WAITING = 10_000

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
  /** Connections that were given up while they had a statement: their ids on the server, and which one that is. */
  #abandoned: { pid: number; server: string }[] = []
  /** Run in this order when the database is back, before other statements. */
  readonly #settlers: ((run: Run) => Promise<void>)[] = []

  readonly #whenUp: (() => void)[] = []

  private constructor(options: DatabaseOptions, connections: Connections) {
    this.#options = options
    this.log = options.log
    this.#connections = connections
    this.#pool = connections.pool()
    this.#pulse = new Pulse({
      connect: connections.connect,
      run: runOn,
      onDown: (why, error) => this.#down(why, error),
      reopen: (heart) => this.#reopen(heart),
      onUp: () => {
        this.log.info('the database can be used')
        for (const up of this.#whenUp) up()
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
  async start(heart: Heart): Promise<void> {
    this.#pulse.start(heart)
    if (!(await resolvesWithin(this.#pulse.untilUsable, timings.openWithinMs)))
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

  /** Adds what is to be done when the database is back, before other statements. It is repeated until it succeeds. */
  onReturn(settle: (run: Run) => Promise<void>): void {
    this.#settlers.push(settle)
  }

  /** Adds what is to be done each time when the database is back, after the first beat. */
  onUp(then: () => void): void {
    this.#whenUp.push(then)
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
      if (this.#asked.delete(ask)) ask.answer.reject(unavailable(whyUnavailable(error), error))
      this.#pulse.beatNow()
      return
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
    const { processID } = client as PoolClient & { processID?: number }
    if (processID) this.#abandoned.push({ pid: processID, server: this.#connections.serverOf(client) })
    client.release(true)
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
    this.#pool = this.#connections.pool()
  }

  /**
   * Uses the first connection for statements, which those then have at once: a database that has just started, with all nodes
   * before it, is busy with each new connection for much longer than with a statement.
   */
  async #reopen({ renew }: Heart): Promise<void> {
    const connecting = this.#pool.connect()
    try {
      const client = await answersWithin(connecting, timings.beatWithinMs)
      const run = runOn(client)
      await answersWithin(renew(run), timings.beatWithinMs)
      await this.#settle(run, this.#connections.serverOf(client))
      client.release()
    } catch (error) {
      connecting.then(
        (client) => client.release(true),
        () => {},
      )
      this.#renewPool()
      throw error
    }
  }

  async #settle(run: Run, server: string): Promise<void> {
    // Those of another server, or of an earlier start of it, have ended with that.
    this.#abandoned = this.#abandoned.filter((each) => each.server === server)
    while (this.#abandoned.length > 0) {
      const given = [this.#options.applicationName, this.#abandoned.map(({ pid }) => pid)]
      const { rows } = await run<{ left: number }>(END_ABANDONED, given)
      if (rows[0]?.left === 0) this.#abandoned = []
    }
    for (const settle of this.#settlers) await settle(run)
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
