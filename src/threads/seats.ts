/**
 * The threads of one QueueServiceThread, and what each does for the method queue. At most one of them stands by or
 * serves; beside it there may be threads that are retiring, until they have finished.
 */
import type { Handoff } from '../queue/handoff.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import type { ThreadSession } from './thread-session.ts'

export type Role =
  /** Takes nothing from the queue yet. */
  | 'standby'
  /** Takes methods from the queue. */
  | 'serving'
  /** Takes nothing more, and finishes the methods that it has begun. */
  | 'retiring'

/** A thread that has started, as the queue knows it. */
export interface Seat {
  /** The methods handed to the thread. */
  readonly handoff: Handoff
  readonly role: Role
}

interface MutableSeat extends Seat {
  role: Role
}

export class Seats {
  readonly #service: string
  readonly #queue: MethodQueue
  readonly #seats = new Map<ThreadSession, MutableSeat>()
  /** The role of the QueueServiceThread as a whole: its next thread begins with it. */
  #role: Role

  constructor(service: string, queue: MethodQueue, role: 'standby' | 'serving') {
    this.#service = service
    this.#queue = queue
    this.#role = role
  }

  /** The role of the QueueServiceThread as a whole. While it serves, single threads of it may be retiring. */
  get role(): Role {
    return this.#role
  }

  get(session: ThreadSession): Seat | undefined {
    return this.#seats.get(session)
  }

  add(session: ThreadSession, handoff: Handoff): void {
    this.#seats.set(session, { handoff, role: 'standby' })
    this.#enter(session, this.#role)
  }

  /** Ends a thread; the methods that it has begun fail, at once. */
  end(session: ThreadSession, reason?: Error): Promise<void> {
    const seat = this.#seats.get(session)
    this.#seats.delete(session)
    const why = reason === undefined ? 'it was stopped' : `${reason.name}: ${reason.message}`
    seat?.handoff.abandon((method) =>
      method.error('THREAD_DIED', `the thread of ${this.#service} died: ${why}`, { started: true, cause: reason }),
    )
    return session.terminate()
  }

  get sessions(): ThreadSession[] {
    return [...this.#seats.keys()]
  }

  /** The QueueServiceThread serves from now on: its thread, and each thread that replaces it. */
  serve(): void {
    this.#role = 'serving'
    for (const [session, { role }] of this.#seats) if (role === 'standby') this.#enter(session, 'serving')
  }

  /** The QueueServiceThread takes nothing more, and no thread of it is replaced. */
  retireAll(): void {
    this.#role = 'retiring'
    this.closeAll()
  }

  /** The present threads take nothing more. The thread of the next start does. */
  closeAll(): void {
    for (const session of this.#seats.keys()) this.#enter(session, 'retiring')
  }

  /** One thread takes nothing more; another may replace it. */
  retire(session: ThreadSession): void {
    this.#enter(session, 'retiring')
  }

  /** The only place where a thread changes its role. */
  #enter(session: ThreadSession, role: Role): void {
    const seat = this.#seats.get(session)
    if (seat === undefined || seat.role === role) return
    seat.role = role
    if (role === 'serving') this.#queue.attach(seat.handoff)
    if (role === 'retiring') seat.handoff.close()
  }

  /** Resolves as soon as the threads have ended everything handed to them. */
  async idle(): Promise<void> {
    await Promise.all([...this.#seats.values()].map(({ handoff }) => handoff.idle()))
  }

  /** Takes back the methods that were handed to the threads and have not begun. */
  recall(kinds: readonly QueuedMethod['kind'][]): void {
    for (const { handoff } of this.#seats.values()) handoff.recall(kinds)
  }

  /** How many methods the threads have begun and not ended. */
  get running(): number {
    let running = 0
    for (const { handoff } of this.#seats.values()) running += handoff.running.length
    return running
  }

  /** When the oldest of the methods was queued that were handed to the threads and have not begun; infinite if none. */
  get oldestWaitingAt(): number {
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...[...this.#seats.values()].map(({ handoff }) => handoff.oldestWaitingAt),
    )
  }

  /** How many methods were handed to the threads and have not ended. */
  get load(): number {
    let load = 0
    for (const { handoff } of this.#seats.values()) load += handoff.load
    return load
  }
}
