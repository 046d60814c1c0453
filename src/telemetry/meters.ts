/**
 * What is counted of services and their methods where it happens. Everything else that `/metrics` shows of them is read
 * when it is asked for.
 *
 * A client of Prometheus keeps every series for ever, so the number of pairs of service and method has a limit (P5).
 * The pairs beyond it are counted as all others are, and are shown as one method of their service.
 */
import { CRASH_CAUSES } from '../contract/events.ts'
import type { ThreadplaneError } from '../contract/errors.ts'
import { Counts } from './counts.ts'
import { Histogram, RUN_BOUNDS, WAIT_BOUNDS } from './histogram.ts'
import { RecentRuns } from './recent-runs.ts'

/** Pairs of service and method that are shown by their names. */
const MAX_PAIRS = 1_000

/**
 * How a call or an attempt of a job has ended. `failed`: the method threw, or its result cannot be used. `refused`: the
 * method refused the request with a `MethodProblem`. `rejected`: it did not begin, as the payload is invalid, the queue
 * is full, or the service does not run. `aborted`: cancelled or expired, or the client went away.
 */
const OUTCOMES = ['succeeded', 'failed', 'refused', 'rejected', 'deadline', 'aborted', 'thread_died'] as const
type Outcome = (typeof OUTCOMES)[number]

const ENDS_OF_JOBS = ['succeeded', 'failed', 'cancelled', 'expired'] as const
export type EndOfJob = (typeof ENDS_OF_JOBS)[number]

const KINDS = ['call', 'cast'] as const
type Kind = (typeof KINDS)[number]

/** What a meter reads of a method that has settled. Times are milliseconds of the monotonic clock. */
export interface MeasuredMethod {
  readonly kind: Kind
  readonly queuedAt: number
  /** How long it ran, as its thread says; `undefined` if the thread has not said so. */
  readonly ranMs: number | undefined
  /** When the control thread first saw that it had begun. */
  readonly begunAt: number | undefined
}

export class MethodMeter {
  readonly calls = new Counts(OUTCOMES)
  readonly attempts = new Counts(OUTCOMES)
  readonly finished = new Counts(ENDS_OF_JOBS)
  readonly accepted = new Counts(['accepted'])
  readonly run = new Histogram(RUN_BOUNDS)

  /** Adds what another meter has counted. */
  add(other: MethodMeter): void {
    this.calls.addAll(other.calls)
    this.attempts.addAll(other.attempts)
    this.finished.addAll(other.finished)
    this.accepted.addAll(other.accepted)
    this.run.add(other.run)
  }
}

export class ServiceMeter {
  readonly waits: Record<Kind, Histogram> = { call: new Histogram(WAIT_BOUNDS), cast: new Histogram(WAIT_BOUNDS) }
  readonly jobAge = new Histogram(WAIT_BOUNDS)
  readonly crashes = new Counts(CRASH_CAUSES)
  readonly #room: PairRoom
  readonly #named = new Map<string, MethodMeter>()
  readonly #folded = new Map<string, MethodMeter>()
  /** The runs of methods that were forgotten. */
  readonly #formerRuns = new Histogram(RUN_BOUNDS)
  #isOver = false

  constructor(room: PairRoom) {
    this.#room = room
  }

  /** The methods that are shown by their names. */
  get named(): ReadonlyMap<string, MethodMeter> {
    return this.#named
  }

  /** The methods that are shown together. */
  get folded(): ReadonlyMap<string, MethodMeter> {
    return this.#folded
  }

  /** The meter of a method that the module has. */
  method(name: string): MethodMeter {
    return this.#named.get(name) ?? this.#folded.get(name) ?? this.#add(name)
  }

  #add(name: string): MethodMeter {
    const meter = new MethodMeter()
    const methods = !this.#isOver && this.#room.take() ? this.#named : this.#folded
    methods.set(name, meter)
    return meter
  }

  /** Forgets methods that another version of the module had. */
  keep(isKept: (name: string) => boolean): void {
    for (const [name, { run }] of this.#folded) {
      if (isKept(name)) continue
      this.#folded.delete(name)
      this.#formerRuns.add(run)
    }
    for (const [name, { run }] of this.#named) {
      if (isKept(name)) continue
      this.#named.delete(name)
      this.#formerRuns.add(run)
      this.#room.giveBack()
    }
  }

  /** Tells each time how long methods ran since the last time. */
  recentRuns(): RecentRuns {
    return new RecentRuns(() => {
      const sum = new Histogram(RUN_BOUNDS)
      sum.add(this.#formerRuns)
      for (const { run } of this.#named.values()) sum.add(run)
      for (const { run } of this.#folded.values()) sum.add(run)
      return sum
    })
  }

  /** A call has ended; `queued` if it had reached the queue. */
  call(method: string, error: ThreadplaneError | undefined, queued?: MeasuredMethod): void {
    const meter = this.method(method)
    meter.calls.add(error === undefined ? 'succeeded' : outcomeOf(error))
    if (queued !== undefined) this.#measure(meter, queued, error)
  }

  /** An attempt of a job has ended. One that has not begun goes back to its store, and is not counted. */
  attempt(method: string, error: ThreadplaneError | undefined, queued: MeasuredMethod): void {
    const meter = this.method(method)
    const outcome = error === undefined ? 'succeeded' : outcomeOf(error)
    if (outcome !== 'rejected') meter.attempts.add(outcome)
    this.#measure(meter, queued, error)
  }

  /** A job has ended. @param ageMs since it was accepted */
  jobFinished(method: string, state: EndOfJob, ageMs: number): void {
    this.method(method).finished.add(state)
    this.jobAge.observe(Math.max(ageMs, 0) / 1_000)
  }

  /**
   * Where the thread has not said how long the method ran, because the thread died or the client did not wait for it, the
   * control thread knows when it first saw it run. A method that was not seen is not measured.
   */
  #measure(meter: MethodMeter, queued: MeasuredMethod, error: ThreadplaneError | undefined): void {
    const { kind, queuedAt, ranMs, begunAt } = queued
    const totalMs = performance.now() - queuedAt
    let runMs = ranMs
    if (runMs === undefined) {
      if (begunAt !== undefined) runMs = totalMs - (begunAt - queuedAt)
      else if (error?.facts.started === true) return
    }
    if (runMs !== undefined) meter.run.observe(Math.min(runMs, totalMs) / 1_000)
    this.waits[kind].observe(Math.max(totalMs - (runMs ?? 0), 0) / 1_000)
  }

  /** The service was deleted: its pairs may be used by others. */
  end(): void {
    this.#isOver = true
    this.keep(() => false)
  }
}

/** How many more pairs may be shown by their names. */
class PairRoom {
  #pairs = 0

  take(): boolean {
    if (this.#pairs >= MAX_PAIRS) return false
    this.#pairs += 1
    return true
  }

  giveBack(): void {
    this.#pairs -= 1
  }
}

/** The meters of all services of a server. */
export class Meters {
  readonly #room = new PairRoom()

  service(): ServiceMeter {
    return new ServiceMeter(this.#room)
  }
}

function outcomeOf(error: ThreadplaneError): Outcome {
  switch (error.code) {
    case 'METHOD_FAILED':
    case 'RESULT_INVALID':
    case 'RESULT_NOT_SERIALIZABLE':
    case 'INTERNAL':
      return 'failed'
    case 'METHOD_REFUSED':
      return 'refused'
    case 'DEADLINE_EXCEEDED':
      return 'deadline'
    case 'JOB_CANCELLED':
    case 'JOB_EXPIRED':
      return 'aborted'
    case 'THREAD_DIED':
      return 'thread_died'
    default:
      return 'rejected'
  }
}
