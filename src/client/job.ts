/** `plane.job(id)`, and what a cast returns: a job that is followed from outside. It may last over restarts of the server. */
import type { Job as JobRecord } from '../../routes/schemas/job.ts'
import { Deadline, MAX_TIMEOUT_MS, sleep } from './deadline.ts'
import type { LogLine } from './events.ts'
import { linesOf, reconnectDelayMs } from './follow.ts'
import { isTransient, JobFailedError } from './plane-error.ts'
import { readJson, type RequestOptions, type Transport } from './transport.ts'

const FINAL = new Set(['succeeded', 'failed', 'cancelled', 'expired'])
/** How long the server is asked to wait for the end of a job, in seconds: the longest, and where progress is shown. */
const MAX_WAIT_SECONDS = 60
const PROGRESS_EVERY_SECONDS = 1
/** A server that closes answers such a wait at once. */
const PAUSE_MS = 250

/** `timeoutMs`: of the whole operation. Default: that of the client. */
export type JobRequestOptions = Pick<RequestOptions, 'timeoutMs' | 'signal'>

/** How far a job is. */
export interface JobProgress {
  /** 0 to 1; 1 once the job has succeeded. */
  fraction: number
  /** What the method says of it. */
  note: string | undefined
  state: JobRecord['state']
  /** How many attempts have begun. */
  attempts: number
  maxAttempts: number
}

export class Job<Result = unknown> {
  readonly id: string
  readonly #transport: Transport

  constructor(transport: Transport, id: string) {
    this.#transport = transport
    this.id = id
  }

  /** Its record. @throws PlaneError JOB_NOT_FOUND and others */
  status(options: JobRequestOptions = {}): Promise<JobRecord> {
    return this.#send('GET', '', options)
  }

  /**
   * Waits for its end, also over restarts of the server, and returns the result: bytes as Base64, a stream as an array.
   * @throws JobFailedError if it has not succeeded; PlaneError, with TIMED_OUT if it has not ended in time
   */
  async result({ timeoutMs = this.#transport.timeoutMs, signal }: JobRequestOptions = {}): Promise<Result> {
    for await (const job of this.#records(MAX_WAIT_SECONDS, timeoutMs, signal)) {
      if (job.state === 'succeeded' && job.error === undefined) return job.result as Result
      if (FINAL.has(job.state)) throw new JobFailedError(job)
    }
    throw new Error('the records of a job end with a final state')
  }

  /**
   * How far it is: at once, and whenever that has changed, until its end, however that is. Looks once a second.
   * @param options without `timeoutMs`, only `signal` ends the wait
   * @throws PlaneError
   */
  async *progress({
    timeoutMs = Number.POSITIVE_INFINITY,
    signal,
  }: JobRequestOptions = {}): AsyncGenerator<JobProgress, void, void> {
    let last = ''
    for await (const { state, attempts, maxAttempts, progress } of this.#records(
      PROGRESS_EVERY_SECONDS,
      timeoutMs,
      signal,
    )) {
      const fraction = state === 'succeeded' ? 1 : (progress?.fraction ?? 0)
      const shown: JobProgress = { fraction, note: progress?.note, state, attempts, maxAttempts }
      if (JSON.stringify(shown) === last) continue
      last = JSON.stringify(shown)
      yield shown
    }
  }

  /** A job that waits never runs; the handler of one that runs gets an aborted signal. @throws PlaneError */
  cancel(options: JobRequestOptions = {}): Promise<JobRecord> {
    return this.#send('POST', '/cancel', options)
  }

  /** Queues it again, after it has failed, expired or was cancelled. @throws PlaneError */
  retry(options: JobRequestOptions = {}): Promise<JobRecord> {
    return this.#send('POST', '/retry', options)
  }

  /** Runs it now, where it waits for its delay or for its next attempt. @throws PlaneError */
  runNow(options: JobRequestOptions = {}): Promise<JobRecord> {
    return this.#send('POST', '/run', options)
  }

  /** What its attempts have logged, as far as it is kept. @param options `attempt`: of this one alone */
  logs({ attempt, ...options }: JobRequestOptions & { attempt?: number } = {}): AsyncGenerator<LogLine, void, void> {
    return linesOf(this.#transport, `${this.#path}/logs`, { query: { attempt }, ...options })
  }

  get #path(): string {
    return `/v1/jobs/${encodeURIComponent(this.id)}`
  }

  async #send(
    method: string,
    action: string,
    { timeoutMs = this.#transport.timeoutMs, signal, ...options }: RequestOptions,
  ): Promise<JobRecord> {
    const deadline = new Deadline(timeoutMs, signal)
    try {
      return (await this.#transport.send(method, this.#path + action, options, deadline, readJson)) as JobRecord
    } finally {
      deadline.end()
    }
  }

  /** Its record now, and again after each wait at the server, until the one with its final state. */
  async *#records(
    waitSeconds: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<JobRecord, void, void> {
    const deadline = new Deadline(timeoutMs, signal)
    let seconds = 0
    let failures = 0
    try {
      for (;;) {
        const begin = performance.now()
        try {
          const job = await this.#send('GET', '', {
            headers: { prefer: `wait=${seconds}` },
            timeoutMs: Math.min(seconds * 1_000 + this.#transport.timeoutMs, MAX_TIMEOUT_MS),
            signal: deadline.signal,
          })
          yield job
          if (FINAL.has(job.state)) return
          if (performance.now() - begin < seconds * 500) await sleep(PAUSE_MS, deadline.signal)
          failures = 0
        } catch (error) {
          // The server was there before, and may be there again.
          if (seconds === 0 || deadline.signal.aborted || !isTransient(error)) throw error
          await sleep(error.retryAfterMs ?? reconnectDelayMs(failures, Math.random()), deadline.signal)
          failures += 1
        }
        seconds = Math.min(waitSeconds, Math.max(Math.ceil(deadline.leftMs / 1_000), 1))
      }
    } finally {
      deadline.end()
    }
  }
}
