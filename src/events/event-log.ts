/**
 * The events of this server: each gets an id, and the last ones are kept, so that a client can go on where its stream
 * was cut. There are two rings, so that a flood of jobs pushes out no crash.
 */
import { randomBytes } from 'node:crypto'
import { parseCursor } from '../contract/cursor.ts'
import type { ControlEvent, EventSink, JobEvent } from '../contract/events.ts'
import { isJobType, isKeptType, type EventFilter } from './event-filter.ts'
import type { LoggedEvent } from './logged-event.ts'
import { Ring } from './ring.ts'

/** Events in each ring. */
const MAX_EVENTS = 10_000
/** Characters of all events in a ring: a message of an error may be long. */
const MAX_RING_CHARS = 16 * 1024 * 1024
/** After the last client that followed jobs, their events are kept so much longer: it may come back for them. */
const FOLLOWED_FOR_MS = 60_000

/** A part of the events that a client asks for and that is not there any more. */
export interface Gap {
  /** The cursor that the client gave. */
  from: string
  /** The cursor from which on nothing is missing. */
  to: string
  /**
   * The server was started again; the ring had no more room; or events of other nodes may be missing, as the cursor is of
   * another node, or nobody looked at them here.
   */
  reason: 'restart' | 'ring' | 'node'
  /** Kinds of events that may be missing. */
  types: string[]
  /** How many may be missing at most; `null` if nobody knows. */
  lost: number | null
}

/** An event as another node wrote it. */
export interface ForeignEvent {
  type: string
  service?: string
  job?: { service: string }
  [member: string]: unknown
}

export class EventLog implements EventSink {
  /** Which start of the server it is: ids of events begin with it. */
  readonly boot: string
  /** Called after each event. */
  onEvent: () => void = () => {}
  readonly #control = new Ring<LoggedEvent>(MAX_EVENTS, MAX_RING_CHARS)
  readonly #jobs = new Ring<LoggedEvent>(MAX_EVENTS, MAX_RING_CHARS)
  #lastSeq = 0
  /** Events of jobs up to this one were emitted only in part, as nobody followed jobs. */
  #unfollowedThrough = 0
  #followers = 0
  #followedUntil = 0
  /** Up to these, events of other nodes may be missing. */
  readonly #unmergedThrough = { control: 0, jobs: 0 }
  readonly #node: string | undefined
  /** Is this the start of another node's server? */
  isOfPeer: (boot: string) => boolean = () => false

  /** @param node the name of this node, if there are others, and how they call this start of it */
  constructor(node?: { name: string; boot: string }) {
    this.#node = node?.name
    this.boot = node?.boot ?? randomBytes(5).toString('hex')
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** The id of the last event: what happens from now on comes after it. */
  get cursor(): string {
    return this.idOf(this.#lastSeq)
  }

  idOf(seq: number): string {
    return `${this.boot}-${seq}`
  }

  get followsJobs(): boolean {
    return this.#followers > 0 || (this.#followedUntil > 0 && this.#isFollowedStill())
  }

  #isFollowedStill(): boolean {
    if (performance.now() < this.#followedUntil) return true
    this.#followedUntil = 0
    return false
  }

  /** A client follows jobs. Returns what ends that. */
  followJobs(): () => void {
    if (!this.followsJobs) this.#unfollowedThrough = this.#lastSeq
    this.#followers += 1
    return () => {
      this.#followers -= 1
      this.#followedUntil = performance.now() + FOLLOWED_FOR_MS
    }
  }

  emit(event: ControlEvent | JobEvent): void {
    this.#lastSeq += 1
    const seq = this.#lastSeq
    const { type, ...facts } = event
    const own = { id: this.idOf(seq), type, at: new Date().toISOString() }
    const json = JSON.stringify(
      this.#node === undefined ? { ...own, ...facts } : { ...own, node: this.#node, ...facts },
    )
    const service = 'job' in event ? event.job.service : 'service' in event ? event.service : undefined
    const ring = isJobType(type) ? this.#jobs : this.#control
    ring.push({ seq, type, service, origin: undefined, json })
    this.onEvent()
  }

  /** From now on events of other nodes are merged: a client with an older cursor may have missed some. */
  mergesFromNow(kind: 'control' | 'jobs'): void {
    // A number that no event has: so the cursor of the last event is an older one, too.
    this.#lastSeq += 1
    this.#unmergedThrough[kind] = this.#lastSeq
  }

  /** Keeps an event of another node. It gets a number of this log, and keeps the time that the other node gave it. */
  adopt({ type, ...event }: ForeignEvent, origin: string): void {
    // A newer version may have further types.
    if (!isKeptType(type)) return
    this.#lastSeq += 1
    const seq = this.#lastSeq
    const service = event.job?.service ?? event.service
    const json = JSON.stringify({ ...event, id: this.idOf(seq), type })
    const ring = isJobType(type) ? this.#jobs : this.#control
    ring.push({ seq, type, service, origin, json })
    this.onEvent()
  }

  /** The events after a number that pass the filter. */
  after(seq: number, filter: EventFilter): LoggedEvent[] {
    const control = filter.hasControl ? this.#control.after(seq) : []
    const jobs = filter.hasJobs ? this.#jobs.after(seq) : []
    return merge(control, jobs).filter((event) => filter.passes(event))
  }

  /**
   * Where a client that gives a cursor goes on, and what it has missed.
   * @param cursor `undefined`: from now on; `earliest`: with all that is kept
   * @returns `undefined` if this is no cursor
   */
  resume(cursor: string | undefined, filter: EventFilter): { seq: number; gap?: Gap } | undefined {
    if (cursor === undefined) return { seq: this.#lastSeq }
    if (cursor === 'earliest') return { seq: 0 }
    const parsed = parseCursor(cursor)
    if (parsed === undefined) return undefined
    const { boot } = parsed
    if (boot !== this.boot) {
      const reason = this.isOfPeer(boot) ? 'node' : 'restart'
      return { seq: 0, gap: this.#gap(cursor, 0, reason, filter, null) }
    }
    const seq = Math.min(parsed.seq, this.#lastSeq)
    const { control, jobs } = this.#unmergedThrough
    const unmerged = Math.max(filter.hasControl || filter.hasJobs ? control : 0, filter.followsJobs ? jobs : 0)
    if (unmerged > seq && !filter.ownOnly) return { seq, gap: this.#gap(cursor, unmerged, 'node', filter, null) }
    const missing = Math.max(
      filter.hasControl ? this.#control.droppedThrough : 0,
      filter.hasJobs ? this.#jobs.droppedThrough : 0,
      filter.followsJobs ? this.#unfollowedThrough : 0,
    )
    return missing <= seq ? { seq } : { seq, gap: this.#gap(cursor, missing, 'ring', filter, missing - seq) }
  }

  #gap(from: string, seq: number, reason: Gap['reason'], filter: EventFilter, lost: number | null): Gap {
    return { from, to: this.idOf(seq), reason, types: filter.types, lost }
  }
}

function merge(one: LoggedEvent[], other: LoggedEvent[]): LoggedEvent[] {
  if (one.length === 0) return other
  return other.length === 0 ? one : [...one, ...other].sort((a, b) => a.seq - b.seq)
}
