/**
 * Knows whether the database can be used. A beat runs once a second on a connection of its own; when it fails or takes too
 * long, or when a statement reports that its connection is lost, the database is down, and all its connections are given
 * up. Then it is tried many times a second until it can be used again. The first beat comes a moment later: statements that
 * were refused until then are more urgent, and a database that has just started takes long for each.
 */
import type { Client } from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { Deferred } from '../async/deferred.ts'
import { answersWithin } from './answers-within.ts'
import { whyUnavailable } from './database-errors.ts'
import type { Run } from './statement.ts'
import { timings } from './timings.ts'

/** What this node does by the clock. Another connection has another `run`. */
export interface Heart {
  /** Runs with every beat. It should write: a database that can only be read is down. */
  readonly beat: (run: Run) => Promise<void>
  /** Runs after an outage, before all other statements, and is soon done. It should write as well. */
  readonly renew: (run: Run) => Promise<void>
  /** Nodes that try at the same time whether the database can be used again. */
  readonly nodes: number
}

export interface PulseOptions {
  connect: () => Promise<Client>
  run: (client: Client) => Run
  /** The database is down: every statement that waits for an answer is to be given up. */
  onDown: (why: string, error: unknown) => void
  /** After an outage: makes the database ready for statements. Rejects while it cannot be used. */
  reopen: (heart: Heart) => Promise<void>
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

  start(heart: Heart): void {
    this.#running ??= this.#run(heart)
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

  async #run(heart: Heart): Promise<void> {
    while (!this.#isClosed()) {
      this.#wake = new AbortController()
      try {
        await this.#pause(this.#state.kind === 'down' ? await this.#reopen(heart) : await this.#beatOnce(heart))
      } catch (error) {
        if (!this.#isClosed()) this.#down(error)
        await this.#pause(Math.max(timings.retryEveryMs, heart.nodes * timings.retryMsPerNode))
      }
    }
    this.#drop()
  }

  /** Answers the time until the first beat: statements that were refused until now come first. */
  async #reopen(heart: Heart): Promise<number> {
    await this.#options.reopen(heart)
    if (!this.#isClosed()) {
      this.#state = { kind: 'reopened' }
      this.#usable.resolve()
    }
    return timings.firstBeatAfterMs
  }

  /** Answers the time until the next beat. */
  async #beatOnce({ beat }: Heart): Promise<number> {
    const given = new AbortController()
    try {
      await answersWithin(this.#beatThrough(beat, given.signal), timings.beatWithinMs)
    } finally {
      given.abort()
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

  /** @param givenUp nobody waits for this beat any more */
  async #beatThrough(beat: Heart['beat'], givenUp: AbortSignal): Promise<void> {
    if (this.#connection === undefined) {
      const client = await this.#options.connect()
      if (givenUp.aborted) {
        void client.end().catch(() => {})
        return
      }
      client.once('end', () => this.#lost(client))
      this.#connection = { client, run: this.#options.run(client) }
    }
    await beat(this.#connection.run)
  }

  #lost(client: Client): void {
    if (this.#connection?.client === client) this.fail(new Error('the connection to the database is lost'))
  }

  #down(error: unknown): void {
    const why = whyUnavailable(error)
    const { kind } = this.#state
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
