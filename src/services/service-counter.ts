/** Counts what happens to the calls and jobs of a service: for its status, for `/metrics`, and failed calls for the log. */
import type { ThreadplaneError } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import { timeOfUuidv7 } from '../contract/uuidv7.ts'
import type { Job } from '../jobs/job.ts'
import type { EndOfJob, JobCounter, JobEvent } from '../jobs/job-target.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import type { ServiceMeter } from '../telemetry/meters.ts'
import { FailedCalls } from './failed-calls.ts'

export class ServiceCounter implements JobCounter {
  /** As the status of the service shows them. */
  readonly counts = { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 }
  readonly #meter: ServiceMeter
  readonly #traces: Traces | undefined
  readonly #failedCalls: FailedCalls

  constructor(service: string, log: ServiceLog, meter: ServiceMeter, traces: Traces | undefined) {
    this.#meter = meter
    this.#traces = traces
    this.#failedCalls = new FailedCalls(service, log)
  }

  /** A call was refused before it was queued. */
  callRefused(method: string, error: ThreadplaneError): void {
    this.#meter.call(method, error)
  }

  /** A call was queued. */
  callQueued(queued: QueuedMethod): void {
    const { counts } = this
    counts.calls += 1
    queued.whenSettled((error) => {
      this.#meter.call(queued.method, error, queued)
      this.#traces?.settled(queued, error)
      if (error === undefined) {
        counts.succeeded += 1
        return
      }
      counts.failed += 1
      this.#failedCalls.add(queued.method, queued.job.id, error)
    })
  }

  count(event: JobEvent, method: string): void {
    if (event === 'cast') {
      this.counts.casts += 1
      this.#meter.method(method).accepted.add('accepted')
    } else this.counts[event] += 1
  }

  attempted(queued: QueuedMethod, error: ThreadplaneError | undefined): void {
    this.#meter.attempt(queued.method, error, queued)
  }

  finished({ id, method }: Pick<Job, 'id' | 'method'>, state: EndOfJob): void {
    this.#meter.jobFinished(method, state, Date.now() - timeOfUuidv7(id))
  }
}
