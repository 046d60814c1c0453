/** What other servers that share the store let the dispatcher know. */
import type { Attempts } from './attempts.ts'
import type { CastFeed } from './cast-feed.ts'
import type { EventJob } from '../contract/events.ts'
import type { JobError } from './job.ts'
import type { JobEvents } from './job-events.ts'
import type { JobWaiters } from './job-waiters.ts'

export class Notices {
  readonly #feeds: ReadonlyMap<string, CastFeed>
  readonly #attempts: Attempts
  readonly #waiters: JobWaiters
  readonly #events: JobEvents
  takesNothing = false

  constructor(feeds: ReadonlyMap<string, CastFeed>, attempts: Attempts, waiters: JobWaiters, events: JobEvents) {
    this.#feeds = feeds
    this.#attempts = attempts
    this.#waiters = waiters
    this.#events = events
  }

  /** Jobs of a service wait in the store. */
  work(service: string): void {
    this.#feeds.get(service)?.waiting()
  }

  /** A job has ended on another server. */
  finished(id: string): void {
    this.#waiters.finished(id)
  }

  /** The attempt of a server that has gone was ended from here, and with it perhaps the job. */
  ended(job: EventJob, error: JobError): void {
    this.#events.attemptEnded(job, error)
    if (job.state !== 'scheduled') this.#waiters.finished(job.id)
  }

  /** Somebody wants a job cancelled. Nothing happens unless it runs here. */
  cancel(id: string): void {
    this.#attempts.cancel(id)
  }

  /** What runs here has been given to other servers: its outcomes would be refused. */
  lost(): void {
    this.#attempts.lose()
  }

  /** From now on, jobs wait for other servers: those that have not begun in a thread here, too. */
  takeNothing(): void {
    this.takesNothing = true
    for (const feed of this.#feeds.values()) feed.close()
    this.#attempts.releaseWaiting()
  }

  /** Has a job an attempt under way on this server? */
  runsHere(id: string): boolean {
    return this.#attempts.has(id)
  }

  /** Jobs whose end clients wait for, and that do not run here. */
  waitedFor(): string[] {
    return this.#waiters.ids.filter((id) => !this.#attempts.has(id))
  }

  /** Services whose jobs could begin here. */
  get services(): string[] {
    return [...this.#feeds].flatMap(([name, { target, isClosed }]) => (target.ready && !isClosed ? [name] : []))
  }
}
