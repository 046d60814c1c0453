/**
 * Knows whether the database can be used. A beat runs once a second on a connection of its own; when it fails or takes too
 * long, or when a statement reports that its connection is lost, the database is down. Then it is tried forty times a
 * second until a beat succeeds. Before it counts as up again, everything that the outage left open is settled.
 */
import type { Client } from 'pg'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Deferred } from '../async/deferred.ts'
import { whyUnavailable } from './database-errors.ts'
import type { Run } from './statement.ts'
import { timings } from './timings.ts'

export interface PulseOptions {
  connect: () => Promise<Client>
  run: (client: Client) => Run
  /** The database is down: every statement that waits for an answer is to be given up. */
  onDown: (why: string, error: unknown) => void
  /** Settles what the outage left open, before other statements. */
  settle: (run: Run) => Promise<void>
  onUp: () => void
}

/** The only states; `why` is for clients. */
type State = { kind: 'starting' } | { kind: 'up' } | { kind: 'down'; why: string } | { kind: 'closed' }

export class Pulse {
  /** Runs with every beat. It should write: a database that can only be read is down. A new connection has a new `run`. */
  beat: (run: Run) => Promise<void> = async () => {}
  readonly #options: PulseOptions
  #state: State = { kind: 'starting' }
  #connection: { client: Client; run: Run } | undefined
  /** Ends the present wait for the next beat. */
  #wake = new AbortController()
  #running: Promise<void> | undefined
  /** Resolves when the database is up. */
  #up = new Deferred<void>()

  constructor(options: PulseOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#state.kind === 'up'
  }

  /** Why the database cannot be used, if it cannot. */
  get why(): string | undefined {
    switch (this.#state.kind) {
      case 'up':
        return undefined
      case 'starting':
        return 'the database has not been reached yet'
      case 'down':
        return this.#state.why
      case 'closed':
        return 'the store is closed'
    }
  }

  /** Resolves as soon as the database is up. */
  get untilUp(): Promise<void> {
    return this.#up.promise
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** A connection was lost, or an answer did not come: the database is down until a beat has succeeded. */
  fail(error: unknown): void {
    if (this.#state.kind === 'up') this.#down(error)
    this.#wake.abort()
  }

  /** Beats now instead of at the next time. */
  beatNow(): void {
    this.#wake.abort()
  }

  async close(): Promise<void> {
    this.#state = { kind: 'closed' }
    this.#wake.abort()
    await this.#running
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed'
  }

  async #run(): Promise<void> {
    while (!this.#isClosed()) {
      this.#wake = new AbortController()
      try {
        await this.#beatOnce()
        if (this.#isClosed()) break
        if (this.#state.kind !== 'up') await this.#rise()
        await this.#pause(timings.beatEveryMs)
      } catch (error) {
        this.#drop()
        if (this.#isClosed()) break
        this.#down(error)
        await this.#pause(timings.retryEveryMs)
      }
    }
    this.#drop()
  }

  async #beatOnce(): Promise<void> {
    const given = new AbortController()
    try {
      await within(this.#beatThrough(given.signal), timings.beatWithinMs)
    } finally {
      given.abort()
    }
  }

  /** @param givenUp nobody waits for this beat any more */
  async #beatThrough(givenUp: AbortSignal): Promise<void> {
    if (this.#connection === undefined) {
      const client = await this.#options.connect()
      if (givenUp.aborted) {
        void client.end().catch(() => {})
        return
      }
      client.once('end', () => this.#lost(client))
      this.#connection = { client, run: this.#options.run(client) }
    }
    await this.beat(this.#connection.run)
  }

  #lost(client: Client): void {
    if (this.#connection?.client === client) this.fail(new Error('the connection to the database is lost'))
  }

  async #rise(): Promise<void> {
    const { run } = this.#connection as { run: Run }
    await this.#options.settle(run)
    if (this.#isClosed()) return
    this.#state = { kind: 'up' }
    this.#up.resolve()
    this.#options.onUp()
  }

  #down(error: unknown): void {
    const why = whyUnavailable(error)
    const before = this.#state.kind
    this.#state = { kind: 'down', why }
    if (before === 'down') return
    if (before === 'up') this.#up = new Deferred()
    this.#options.onDown(why, error)
  }

  #drop(): void {
    const client = this.#connection?.client
    this.#connection = undefined
    void client?.end().catch(() => {})
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#wake.signal }).catch(() => {})
  }
}

async function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  const answered = new AbortController()
  const late = sleep(ms, undefined, { signal: answered.signal }).then(
    async () => {
      // Where this process itself was held up, the answer has arrived and was not read yet.
      await nextTurn()
      await nextTurn()
      throw new Error(`the database does not answer within ${ms} ms`)
    },
    () => undefined as never,
  )
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    answered.abort()
  }
}
