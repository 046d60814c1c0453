/**
 * Knows whether the database can be used. A beat runs once a second on a connection of its own; when it fails or takes too
 * long, or when a statement reports that its connection is lost, the database is down, and all its connections are given
 * up. Then it is tried many times a second until it can be used again. The first beat comes a moment later: statements that
 * were refused until then are more urgent, and a database that has just started takes long to open another connection.
 */
import type { Client } from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { unlessAborted } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { answersWithin } from './answers-within.ts'
import { whyUnavailable } from './database-errors.ts'
import type { Run } from './statement.ts'
import { timings } from './timings.ts'

/** Keeps the row of this node. Another connection has another `run`. */
export interface RowKeeper {
  /** Runs with every beat. It should write: a database that can only be read is down. */
  readonly beat: (run: Run) => Promise<void>
  /** Runs after an outage, before all other statements, and should be soon done. It should write as well. */
  readonly renew: (run: Run) => Promise<void>
  /** Nodes that try at the same time whether the database can be used again. */
  readonly nodes: number
}

export interface PulseOptions {
  connect: () => Promise<Client>
  run: (client: Client) => Run
  /** Runs the statements of a beat on connections for statements. */
  borrow: () => Run
  /** The database is down: every statement that waits for an answer is to be given up. */
  onDown: (why: string, error: unknown) => void
  /** After an outage: prepares the database for statements. Rejects while it cannot be used. */
  reopen: (keeper: RowKeeper) => Promise<void>
  /** The first beat has succeeded, at the start or after an outage. */
  onUp: () => void
}

/** The only states; `why` is for clients. Statements are taken while it is `reopened`, which has no beat yet, or `up`. */
type State =
  | { kind: 'starting'; why: string }
  | { kind: 'reopened' }
  | { kind: 'up' }
  | { kind: 'down'; why: string }
  | { kind: 'closed'; why: string }

export class Pulse {
  readonly #options: PulseOptions
  #state: State = { kind: 'starting', why: 'the database has not been reached yet' }
  #connection: { client: Client; run: Run } | undefined
  /** Fires when nobody waits for the beat that is under way. */
  #givenUp = new AbortController()
  /** Ends the present wait for the next beat. */
  #wake = new AbortController()
  #running: Promise<void> | undefined
  /** Resolves when the database can be used. */
  #usable = new Deferred<void>()
  /** Resolves with the first beat. */
  #up = new Deferred<void>()

  constructor(options: PulseOptions) {
    this.#options = options
  }

  get isUsable(): boolean {
    return this.why === undefined
  }

  /** Why the database cannot be used, if it cannot. */
  get why(): string | undefined {
    return 'why' in this.#state ? this.#state.why : undefined
  }

  /** Resolves as soon as the database can be used. */
  get untilUsable(): Promise<void> {
    return this.#usable.promise
  }

  /** Resolves when the first beat has succeeded, at the start or after an outage. */
  get untilUp(): Promise<void> {
    return this.#up.promise
  }

  start(keeper: RowKeeper): void {
    this.#running ??= this.#run(keeper)
  }

  /** A connection was lost, or an answer did not come: the database is down until it was reopened. */
  fail(error: unknown): void {
    if (this.isUsable) this.#down(error)
    this.#wake.abort()
  }

  /** Beats now instead of at the next time. */
  beatNow(): void {
    this.#wake.abort()
  }

  async close(): Promise<void> {
    this.#state = { kind: 'closed', why: 'the store is closed' }
    this.#wake.abort()
    await this.#running
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed'
  }

  async #run(keeper: RowKeeper): Promise<void> {
    while (!this.#isClosed()) {
      this.#wake = new AbortController()
      try {
        await this.#pause(this.#state.kind === 'down' ? await this.#reopen(keeper) : await this.#beatOnce(keeper))
      } catch (error) {
        if (!this.#isClosed()) this.#down(error)
        // Nodes that have lost the database together are not to try it together.
        const afterMs = Math.max(timings.retryEveryMs, keeper.nodes * timings.retryMsPerNode)
        await this.#pause(afterMs * (0.5 + Math.random()))
      }
    }
    this.#drop()
  }

  /** Answers the time until the first beat: statements that were refused until now come first. */
  async #reopen(keeper: RowKeeper): Promise<number> {
    await this.#options.reopen(keeper)
    if (!this.#isClosed()) {
      this.#state = { kind: 'reopened' }
      this.#usable.resolve()
    }
    return timings.firstBeatAfterMs
  }

  /** Answers the time until the next beat. */
  async #beatOnce({ beat }: RowKeeper): Promise<number> {
    const givenUp = new AbortController()
    this.#givenUp = givenUp
    try {
      await unlessAborted(this.#beatThrough(beat, givenUp.signal), givenUp.signal)
    } finally {
      givenUp.abort()
    }
    const { kind } = this.#state
    if (kind === 'starting' || kind === 'reopened') {
      this.#state = { kind: 'up' }
      this.#usable.resolve()
      this.#up.resolve()
      this.#options.onUp()
    }
    return timings.beatEveryMs
  }

  async #beatThrough(beat: RowKeeper['beat'], givenUp: AbortSignal): Promise<void> {
    const run = this.#connection?.run ?? (await this.#connect(givenUp)) ?? this.#options.borrow()
    await answersWithin(beat(run), timings.beatWithinMs)
  }

  /** Answers `undefined` if the database gives no connection now: other ones may go on. */
  async #connect(givenUp: AbortSignal): Promise<Run | undefined> {
    const connecting = this.#options.connect()
    try {
      const client = await answersWithin(connecting, timings.beatWithinMs)
      givenUp.throwIfAborted()
      client.once('end', () => this.#lost(client))
      this.#connection = { client, run: this.#options.run(client) }
      return this.#connection.run
    } catch (error) {
      connecting.then(
        (client) => client.end().catch(() => {}),
        () => {},
      )
      if (this.#state.kind === 'starting' || givenUp.aborted) throw error
      return undefined
    }
  }

  #lost(client: Client): void {
    if (this.#connection?.client !== client) return
    this.#connection = undefined
    this.fail(new Error('the connection to the database is lost'))
  }

  #down(error: unknown): void {
    const why = whyUnavailable(error)
    const { kind } = this.#state
    this.#givenUp.abort(error)
    this.#drop()
    this.#state = { kind: kind === 'starting' ? 'starting' : 'down', why }
    if (kind === 'up') this.#up = new Deferred()
    if (kind !== 'up' && kind !== 'reopened') return
    this.#usable = new Deferred()
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
