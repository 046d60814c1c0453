/**
 * A service as dispatcher, feeds, attempts and schedules know it: where its jobs run. They never touch its queue, its
 * threads or its counters.
 */
import type { ResolvedMethodOptions } from '../contract/options.ts'
import { hasCode, type ThreadplaneError } from '../contract/errors.ts'
import type { QueuedMethod, QueuedMethodOptions } from '../queue/queued-method.ts'
import type { JobState } from '../contract/states.ts'
import type { Job } from './job.ts'

/** An attempt that the store has begun, to be run; see {@link QueuedMethodOptions}. */
export type AttemptRequest = Pick<
  QueuedMethodOptions,
  'method' | 'job' | 'priority' | 'timeoutMs' | 'exclusive' | 'onProgress'
> & {
  /** JSON text. */
  payload: string
}

/** Events of casts that the status of a service counts. */
export type JobEvent = 'cast' | 'succeeded' | 'failed' | 'retried'

export type EndOfJob = Extract<JobState, 'succeeded' | 'failed' | 'cancelled' | 'expired'>

/** Is told what happens to the jobs of a service, and counts it. */
export interface JobCounter {
  count(event: JobEvent, method: string): void
  /** An attempt has ended, or could not begin. */
  attempted(queued: QueuedMethod, error: ThreadplaneError | undefined): void
  /** A job has ended. */
  finished(job: Pick<Job, 'id' | 'method'>, state: EndOfJob): void
}

export interface JobTarget {
  readonly name: string
  /** Is the service running, and has its module described itself? If not, casts stay in the store. */
  readonly ready: boolean
  /** How many methods its threads can run at once. */
  readonly concurrency: number
  /** How many more methods its queue can take. */
  readonly room: number
  /** Has its module described itself? Casts are validated against the description. */
  readonly described: boolean
  /** The options of a method; the defaults if the module has no method with that name. */
  methodOptions(method: string): ResolvedMethodOptions
  /** @throws METHOD_NOT_FOUND, with the names that exist */
  checkMethod(method: string): void
  /** @throws VALIDATION_FAILED, UNSUPPORTED_MEDIA_TYPE */
  checkPayload(method: string, payload: unknown): void
  /**
   * Resolves when its module has described itself. For a cast, a stopped service is described without being started.
   * @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED
   */
  whenDescribed(kind: 'call' | 'cast', timeoutMs: number): Promise<void>
  /** Queues the method of an attempt. A refused method has settled: with QUEUE_FULL or SERVICE_NOT_RUNNING. */
  run(attempt: AttemptRequest): QueuedMethod
  readonly counter: JobCounter
  /** `changed`: `ready`, `room`, `concurrency` or `described` may have changed. */
  on(event: 'changed', listener: () => void): unknown
  off(event: 'changed', listener: () => void): unknown
}

/** Did the target refuse the attempt, as its service stopped or its queue was full, before it began? */
export function isRefusal(error: ThreadplaneError): boolean {
  const { started = false } = error.facts
  return !started && (hasCode(error, 'SERVICE_NOT_RUNNING') || hasCode(error, 'QUEUE_FULL'))
}
