/**
 * Hints from node to node, by NOTIFY and LISTEN: that there is something to look at now. A hint may come twice, late or
 * never, and everything is right without any: each beat asks for the same. Hints that come together are sent together, and
 * never in the transaction that they tell of: commits with a NOTIFY wait for each other.
 */
import type { Client } from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { Deferred } from '../async/deferred.ts'
import { type Run, statement } from './statement.ts'
import { timings } from './timings.ts'

/**
 * What a hint is about, and what its keys are: jobs of a service wait (services); a registration was changed (services); a
 * job has ended, is to be cancelled, or its end is waited for (ids of jobs); schedules were changed (services); a node has
 * something to tell by its row (ids of nodes).
 */
export type HintKind = 'work' | 'registration' | 'finished' | 'cancel' | 'watch' | 'schedules' | 'nodes'

/** Hints that wait to be sent. Others are left out: the beat finds what they are about. */
const MAX_HINTS = 10_000
/** Keys of one notification, whose text PostgreSQL limits to 8,000 bytes. */
const KEYS = 100

const NOTIFY = statement('notify', 'SELECT pg_notify($1, $2)')

export interface HintsOptions {
  /** This node. */
  node: string
  /** The schema of the tables, which has its own channel. */
  schema: string
  run: Run
  /** A connection to listen on; `undefined`: this node hears no hints. */
  connect: ((signal: AbortSignal) => Promise<Client>) | undefined
}

export class Hints {
  readonly #options: HintsOptions
  readonly #listeners = new Map<HintKind, ((keys: string[]) => void)[]>()
  #waiting = new Map<HintKind, Set<string>>()
  #count = 0
  #timer: NodeJS.Timeout | undefined
  #client: Client | undefined
  readonly #closed = new AbortController()

  constructor(options: HintsOptions) {
    this.#options = options
    if (options.connect !== undefined) void this.#listen(options.connect)
  }

  on(kind: HintKind, listener: (keys: string[]) => void): void {
    this.#listeners.set(kind, [...(this.#listeners.get(kind) ?? []), listener])
  }

  /** Tells the other nodes, soon. */
  tell(kind: HintKind, key: string): void {
    if (this.#closed.signal.aborted || this.#count >= MAX_HINTS) return
    const keys = this.#waiting.get(kind) ?? new Set()
    this.#count += keys.has(key) ? 0 : 1
    this.#waiting.set(kind, keys.add(key))
    this.#timer ??= setTimeout(() => void this.#send(), timings.hintAfterMs)
  }

  async #send(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = new Map()
    this.#count = 0
    try {
      for (const [kind, keys] of waiting) {
        const all = [...keys]
        for (let at = 0; at < all.length; at += KEYS) {
          const text = JSON.stringify([this.#options.node, kind, all.slice(at, at + KEYS)])
          await this.#options.run(NOTIFY, [this.#channel, text])
        }
      }
    } catch {
      // The beat finds what they were about.
    } finally {
      this.#timer = this.#count > 0 ? setTimeout(() => void this.#send(), timings.hintAfterMs) : undefined
    }
  }

  get #channel(): string {
    return `threadplane_${this.#options.schema}`.slice(0, 63)
  }

  async #listen(connect: (signal: AbortSignal) => Promise<Client>): Promise<void> {
    const { signal } = this.#closed
    while (!signal.aborted) {
      try {
        const client = await connect(signal)
        this.#client = client
        const ended = new Deferred<void>()
        client.once('end', () => ended.resolve())
        client.on('notification', ({ payload = '' }) => this.#heard(payload))
        if (!signal.aborted) {
          await client.query(`LISTEN "${this.#channel}"`)
          await ended.promise
        }
        void client.end().catch(() => {})
      } catch {
        // There is no connection now, or it is lost.
      }
      await sleep(timings.listenAgainAfterMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  #heard(text: string): void {
    const [node, kind, keys] = JSON.parse(text) as [string, HintKind, string[]]
    if (node === this.#options.node) return
    for (const listener of this.#listeners.get(kind) ?? []) listener(keys)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    clearTimeout(this.#timer)
    await this.#client?.end().catch(() => {})
  }
}
