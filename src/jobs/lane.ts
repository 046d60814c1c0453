/**
 * The casts of one service on their way from the store to its queue: a bounded window, so that a longer backlog stays
 * on disk (P5). It is filled from the store as casts end, as jobs fall due, and as the service starts.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode } from '../contract/errors.ts'
import type { JobTarget } from './job-target.ts'
import type { JobStore, OpenAttempt } from './job-store.ts'

/** Most casts that are handed on beyond what a service's threads run at once; and how large, together with those. */
const MAX_AHEAD = 1_024
const MAX_BYTES = 16 * 1024 * 1024
const MAX_TIMER_MS = 60_000
/** How soon a queue full of calls, or a journal that cannot be written, is looked at again. */
const LOOK_AGAIN_MS = 50
const JOURNAL_AGAIN_MS = 1_000

export interface LaneSettings {
  target: JobTarget
  store: JobStore
  log: ServiceLog
  /** Hands on an attempt that is on disk. */
  hand: (lane: Lane, attempt: OpenAttempt) => void
}

/** The window being filled, and what came meanwhile. */
interface Round {
  /** There may be more room. */
  again: boolean
  /** The store may have answered before a job was put there. */
  stale: boolean
}

export class Lane {
  readonly target: JobTarget
  inFlight = 0
  /** Size of their payloads. */
  bytes = 0
  /** Nothing waits in the store that could run: a new job may begin in the transaction that accepts it. */
  caughtUp = false
  readonly #settings: LaneSettings
  /** How many may be in flight beyond what its threads run at once: more while they end soon. */
  #ahead = 0
  #filling: Round | undefined
  /** Nothing is taken before: the queue would not have it. */
  #heldUntil = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(settings: LaneSettings) {
    this.#settings = settings
    this.target = settings.target
    this.target.on('changed', this.pump)
    this.pump()
  }

  get #window(): number {
    return this.target.concurrency + this.#ahead
  }

  /** Casts that may be handed on now. */
  get room(): number {
    if (!this.target.ready || this.bytes >= MAX_BYTES) return 0
    return Math.min(this.#window - this.inFlight, this.target.room)
  }

  /** A cast has ended soon after it was handed on. */
  widen(): void {
    if (this.#ahead < MAX_AHEAD) this.#ahead += 1
  }

  /** A cast has waited in a thread. */
  narrow(): void {
    this.#ahead = 0
  }

  /** The queue is full of calls: what it refused waits for room in the store. */
  hold(): void {
    this.#heldUntil = performance.now() + LOOK_AGAIN_MS
    this.caughtUp = false
    this.#pumpIn(LOOK_AGAIN_MS)
  }

  /** A job waits in the store that was not there, or not due. */
  waiting(): void {
    this.caughtUp = false
    if (this.#filling !== undefined) this.#filling.stale = true
    this.pump()
  }

  /** Fills the window. One round at a time; what comes meanwhile starts another. */
  readonly pump = (): void => {
    if (!this.target.ready || this.#closed) return
    if (this.#filling !== undefined) {
      this.#filling.again = true
      return
    }
    // The common case: all casts so far began in the transaction that accepted them. And a window is refilled when
    // half of it has run, so that a backlog costs a few transactions a window.
    if (this.caughtUp || this.inFlight > this.#window / 2) return
    if (performance.now() < this.#heldUntil) return this.#pumpIn(LOOK_AGAIN_MS)
    const round = { again: false, stale: false }
    this.#filling = round
    this.#fill(round)
      .catch((error: unknown) => {
        // The journal has said so.
        if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) {
          this.#settings.log.error({ err: error, service: this.target.name }, 'casts could not be dispatched')
        }
        this.#pumpIn(JOURNAL_AGAIN_MS)
      })
      .finally(() => {
        this.#filling = undefined
        if (round.again) this.pump()
      })
  }

  async #fill(round: Round): Promise<void> {
    const { store, hand } = this.#settings
    const { name } = this.target
    const { room } = this
    // The end of a cast goes on with the backlog; where calls fill the queue, there is none to wait for.
    if (room <= 0) return this.inFlight > 0 ? undefined : this.#pumpIn(LOOK_AGAIN_MS)
    const taken = await store.take(name, room, MAX_BYTES - this.bytes)
    for (const attempt of taken) hand(this, attempt)
    if (taken.length === room || this.bytes >= MAX_BYTES) return
    const dueAt = await store.nextDueAt(name)
    this.caughtUp = !round.stale && (dueAt === undefined || dueAt > Date.now())
    if (dueAt !== undefined) this.#pumpIn(Math.min(Math.max(dueAt - Date.now(), LOOK_AGAIN_MS), MAX_TIMER_MS))
  }

  #pumpIn(delayMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#closed) this.#timer = setTimeout(() => this.waiting(), delayMs).unref()
  }

  /** Nothing more is taken from the store. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.target.off('changed', this.pump)
  }
}
