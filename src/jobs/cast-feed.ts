/**
 * The casts of one service on their way from the store to its queue: a bounded window, so that a longer backlog stays
 * on disk (P5). The feed takes jobs from the store as casts end, as jobs fall due, and when the service starts.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode } from '../contract/errors.ts'
import type { JobTarget } from './job-target.ts'
import type { JobStore, OpenAttempt } from './job-store.ts'

/** Most casts in flight beyond those that the service's threads run at once. */
const MAX_AHEAD = 1_024
/** Payloads of casts in flight are at most so large together; one larger payload alone is let through. */
const MAX_BYTES = 16 * 1024 * 1024
const MAX_TIMER_MS = 60_000
/** When to try again after the queue was full. */
const QUEUE_AGAIN_MS = 50
/** When to try again after the store refused. */
const STORE_AGAIN_MS = 1_000

export interface CastFeedSettings {
  target: JobTarget
  store: JobStore
  log: ServiceLog
  /** Runs an attempt that the store has begun. */
  hand: (feed: CastFeed, attempt: OpenAttempt) => void
}

type State =
  /** Jobs may wait in the store. `pump` takes them; the timer calls `pump` where nothing else will. */
  | { kind: 'behind'; timer?: NodeJS.Timeout }
  /** The store is being asked for jobs. */
  | { kind: 'taking'; meanwhile: Meanwhile }
  /** No job that is due waits in the store. The timer fires when the next one is due. */
  | { kind: 'caughtUp'; timer?: NodeJS.Timeout }
  /** The queue refused a cast: nothing is taken until the timer fires. */
  | { kind: 'held'; timer: NodeJS.Timeout }
  | { kind: 'closed' }

/**
 * What happened while the store was asked, as far as it decides what comes next: `room` in the window, a `job` that its
 * answer may not know, or a `full` queue. Each counts for more than those before it.
 */
type Meanwhile = 'nothing' | 'room' | 'job' | 'full'

interface Next {
  kind: 'behind' | 'caughtUp'
  /** When to ask the store again, if nothing happens before. */
  againInMs?: number
}

export class CastFeed {
  readonly target: JobTarget
  readonly #settings: CastFeedSettings
  #state: State = { kind: 'behind' }
  #inFlight = 0
  /** Size of their payloads. */
  #bytes = 0
  /** How many casts may be in flight beyond those that the threads run at once: more while casts end soon. */
  #ahead = 0

  constructor(settings: CastFeedSettings) {
    this.#settings = settings
    this.target = settings.target
    this.target.on('changed', this.pump)
    this.pump()
  }

  get #window(): number {
    return this.target.concurrency + this.#ahead
  }

  get #room(): number {
    if (!this.target.ready || this.#bytes >= MAX_BYTES) return 0
    return Math.min(this.#window - this.#inFlight, this.target.room)
  }

  /** How many new casts may begin in the transaction that accepts them: none while older jobs may wait in the store. */
  get roomToBegin(): number {
    return this.#state.kind === 'caughtUp' ? this.#room : 0
  }

  /** Keeps room for casts that are being accepted. */
  reserve(count: number): void {
    this.#inFlight += count
  }

  /** Gives reserved room back. */
  unreserve(count: number): void {
    this.#inFlight -= count
  }

  /** A cast is in flight. */
  handed(bytes: number): void {
    this.#inFlight += 1
    this.#bytes += bytes
  }

  /** A cast is not in flight any more. */
  ended(bytes: number): void {
    this.#inFlight -= 1
    this.#bytes -= bytes
  }

  /** Called when a cast ended soon after it was handed to the queue. */
  widen(): void {
    if (this.#ahead < MAX_AHEAD) this.#ahead += 1
  }

  /** Called when a cast waited long in a thread. */
  narrow(): void {
    this.#ahead = 0
  }

  /** Called when the queue, full of calls, refused a cast. */
  hold(): void {
    const state = this.#state
    if (state.kind === 'taking') state.meanwhile = 'full'
    else if (state.kind !== 'closed') this.#enter({ kind: 'held', timer: this.#pumpIn(QUEUE_AGAIN_MS) })
  }

  /** Called when the store may have a job that is due, and did not have it before. */
  waiting(): void {
    const state = this.#state
    if (state.kind === 'taking') {
      if (state.meanwhile !== 'full') state.meanwhile = 'job'
      return
    }
    if (state.kind === 'caughtUp') this.#enter({ kind: 'behind' })
    this.pump()
  }

  /** Fills the window from the store, if jobs may wait there and there is enough room. */
  readonly pump = (): void => {
    const state = this.#state
    // The common case is `caughtUp`: all casts so far began in the transaction that accepted them.
    if (state.kind === 'taking' && state.meanwhile === 'nothing') state.meanwhile = 'room'
    if (state.kind !== 'behind' || !this.target.ready) return
    // The window is refilled when it is half empty, so that a backlog costs few transactions per window; or when a thread
    // has nothing to run: beside long methods, a small window would not become half empty for long.
    if (this.#inFlight > this.#window / 2 && this.#inFlight >= this.target.concurrency) return
    const taking: State = { kind: 'taking', meanwhile: 'nothing' }
    this.#enter(taking)
    void this.#fill(taking)
  }

  async #fill(taking: State & { kind: 'taking' }): Promise<void> {
    let next: Next = { kind: 'behind', againInMs: STORE_AGAIN_MS }
    try {
      next = await this.#take()
    } catch (error) {
      // The store itself logs that it is unavailable.
      if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) {
        this.#settings.log.error({ err: error, service: this.target.name }, 'casts could not be dispatched')
      }
    }
    if (this.#state !== taking) return
    const { meanwhile } = taking
    if (meanwhile === 'full') return this.#enter({ kind: 'held', timer: this.#pumpIn(QUEUE_AGAIN_MS) })
    const { kind, againInMs } = next
    this.#enter({
      kind: meanwhile === 'job' ? 'behind' : kind,
      ...(againInMs !== undefined && { timer: this.#pumpIn(againInMs) }),
    })
    if (meanwhile !== 'nothing') this.pump()
  }

  async #take(): Promise<Next> {
    const { store, hand } = this.#settings
    const { name } = this.target
    const room = this.#room
    // The end of a cast in flight calls `pump`. If there is none, the queue is full of calls, whose end does not.
    if (room <= 0) return this.#inFlight > 0 ? { kind: 'behind' } : { kind: 'behind', againInMs: QUEUE_AGAIN_MS }
    const taken = await store.take(name, room, MAX_BYTES - this.#bytes)
    for (const attempt of taken) hand(this, attempt)
    if (taken.length === room || this.#bytes >= MAX_BYTES) return { kind: 'behind' }
    const dueAt = await store.nextDueAt(name)
    if (dueAt === undefined) return { kind: 'caughtUp' }
    const inMs = dueAt - Date.now()
    const againInMs = Math.min(Math.max(inMs, QUEUE_AGAIN_MS), MAX_TIMER_MS)
    return { kind: inMs > 0 ? 'caughtUp' : 'behind', againInMs }
  }

  #pumpIn(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#enter({ kind: 'behind' })
      this.pump()
    }, delayMs).unref()
  }

  /** The only place that changes the state. A timer belongs to the state that set it. */
  #enter(state: State): void {
    if ('timer' in this.#state) clearTimeout(this.#state.timer)
    this.#state = state
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed'
  }

  /** Takes nothing more from the store. */
  close(): void {
    this.#enter({ kind: 'closed' })
    this.target.off('changed', this.pump)
  }
}
