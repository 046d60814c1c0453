/**
 * Where the jobs of one service run. The dispatcher, the lanes and the schedules know a service by this interface only:
 * they never touch its queue, its threads or its counters.
 */
import type { ResolvedMethodOptions } from '../contract/options.ts'
import type { QueuedMethod, QueuedMethodOptions } from '../queue/queued-method.ts'

/** What it takes to run an attempt that is on disk; see {@link QueuedMethodOptions}. */
export type AttemptRequest = Pick<
  QueuedMethodOptions,
  'method' | 'job' | 'priority' | 'timeoutMs' | 'exclusive' | 'onProgress'
> & {
  /** JSON text. */
  payload: string
}

/** What becomes of casts, as the status of a service counts it. */
export type JobEvent = 'cast' | 'succeeded' | 'failed' | 'retried'

export interface JobTarget {
  readonly name: string
  /** False: casts stay in the store, as the service does not run or has not described itself. */
  readonly ready: boolean
  /** Methods that it runs at once. */
  readonly concurrency: number
  /** Methods that its queue has room for. */
  readonly room: number
  /** Has its module described itself? */
  readonly described: boolean
  /** The options of a method; the defaults where the module has none of that name. */
  methodOptions(method: string): ResolvedMethodOptions
  /** @throws METHOD_NOT_FOUND, with the names that exist */
  checkMethod(method: string): void
  /** @throws VALIDATION_FAILED, UNSUPPORTED_MEDIA_TYPE */
  checkPayload(method: string, payload: unknown): void
  /**
   * Resolves once its module has described itself; a stopped service is described for a cast without being started.
   * @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED
   */
  whenDescribed(kind: 'call' | 'cast', timeoutMs: number): Promise<void>
  /** Queues the method of an attempt. Where that is refused, it has settled with the reason: QUEUE_FULL, SERVICE_NOT_RUNNING. */
  run(attempt: AttemptRequest): QueuedMethod
  count(event: JobEvent): void
  /** `changed`: `ready`, `room`, `concurrency` or `described` may be another now. */
  on(event: 'changed', listener: () => void): unknown
  off(event: 'changed', listener: () => void): unknown
}
