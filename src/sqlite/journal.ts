/**
 * The job store on disk: SQLite, in a thread of its own, so that the event loop never waits for a disk (P2).
 * This is the control thread's end of it.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, ThreadplaneError, toWireError } from '../contract/errors.ts'
import { MessageBatcher } from '../async/message-batcher.ts'
import { Deferred } from '../async/deferred.ts'
import { within } from '../async/deadline.ts'
import { type Job, type JobError, type JobProgress, newJobRecord } from '../jobs/job.ts'
import type {
  Accepted,
  AcceptRequest,
  JobFilter,
  JobOutcome,
  JobPage,
  JobStore,
  OpenAttempt,
  Schedule,
  Withdrawal,
} from '../jobs/job-store.ts'
import {
  type JournalData,
  type JournalMessage,
  type JournalOperation,
  type JournalOperations,
  type JournalReply,
  type JournalRequest,
  type JournalStatus,
  OUTCOMES,
  toAcceptRow,
  toOpenAttempt,
} from './messages.ts'

const FILE = 'jobs.sqlite'
/** Who has the data folder. */
const HOLDER = 'holder.json'

export interface JournalOptions {
  /** The data folder. */
  folder: string
  log: ServiceLog
  keepJobsMs: number
  maxFinishedJobs?: number
}

const MAX_FINISHED_JOBS = 1_000_000
/**
 * So many operations wait for the end of the turn, where they are casts: all clients that were answered together come
 * again together, and without a head start this thread and the journal's would wait for each other in turns.
 */
const HEAD_START = 8
/** Operations that may wait for the journal's thread. */
const MAX_PENDING = 100_000
/** How long closing may take; the process is ended by force after it. */
const CLOSE_WITHIN_MS = 2_000

export class Journal implements JobStore {
  readonly #folder: string
  readonly #log: ServiceLog
  readonly #worker: Worker
  readonly #batcher: MessageBatcher<JournalRequest>
  readonly #pending = new Map<number, Deferred<unknown>>()
  readonly #progress = new Map<string, { attempt: number; progress: JobProgress }>()
  /** Resolves with the first thing it says of itself. */
  readonly #opened = new Deferred<JournalStatus>()
  readonly #ended = new Deferred<void>()
  #lastId = 0
  #gone: Error | undefined
  #serves = false
  #closing = false

  private constructor({ folder, log, keepJobsMs, maxFinishedJobs = MAX_FINISHED_JOBS }: JournalOptions) {
    this.#folder = folder
    this.#log = log
    const workerData: JournalData = { file: join(folder, FILE), retention: { keepJobsMs, maxFinishedJobs } }
    const worker = new Worker(new URL('./journal-thread.js', import.meta.url), { workerData, name: 'journal' })
    this.#worker = worker
    this.#batcher = new MessageBatcher<JournalRequest>(
      (requests) => worker.postMessage(requests),
      ([id], error) => this.#reply([id, undefined, toWireError(error)]),
    )
    worker.on('message', (messages: JournalMessage[]) => {
      for (const message of messages) {
        if (Array.isArray(message)) this.#reply(message)
        else this.#changed(message.status)
      }
    })
    worker.on('error', (error) => this.#end(error))
    worker.on('exit', () => this.#end(new Error('the thread of the journal has ended')))
  }

  /**
   * Opens the journal of a data folder, or makes it; jobs that were running are taken up. Where there is no room, or
   * the folder may only be read, it refuses until that has passed.
   * @throws where another process has the folder, or the file is damaged, or of a newer version
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    const status = await journal.#opened.promise
    if (status.kind === 'refused') throw await startRefusal(options.folder, status)
    return journal
  }

  #changed(status: JournalStatus): void {
    this.#opened.resolve(status)
    this.#serves = status.kind !== 'refused'
    if (status.kind === 'unavailable') {
      this.#log.error(`the journal cannot be written: ${status.why}; casts are refused until it can`)
    } else if (status.kind === 'open') {
      const { recovered } = status
      if (recovered > 0) this.#log.warn({ jobs: recovered }, 'jobs were running when the server ended: taken up')
      this.#log.info('the journal is open')
      void this.#sayWhoHolds()
    }
  }

  /** It helps who is refused, and nobody else. */
  async #sayWhoHolds(): Promise<void> {
    const file = join(this.#folder, HOLDER)
    const held = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
    await writeFile(file, held).catch((error: unknown) => this.#log.warn({ err: error }, `${file} cannot be written`))
  }

  #request<Operation extends JournalOperation>(
    operation: Operation,
    ...args: Parameters<JournalOperations[Operation]>
  ): Promise<ReturnType<JournalOperations[Operation]>> {
    const full = this.#pending.size >= MAX_PENDING && !OUTCOMES.has(operation)
    if (this.#gone !== undefined || full) {
      const why = this.#gone?.message ?? `${this.#pending.size} operations wait for it`
      return Promise.reject(new ThreadplaneError('JOURNAL_UNAVAILABLE', why, { retryAfterSeconds: 5 }))
    }
    const reply = new Deferred<unknown>()
    this.#lastId += 1
    this.#pending.set(this.#lastId, reply)
    this.#batcher.push([this.#lastId, operation, args])
    return reply.promise as Promise<ReturnType<JournalOperations[Operation]>>
  }

  #reply([id, value, error]: JournalReply): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (error === undefined) pending?.resolve(value)
    else pending?.reject(fromWireError(error))
  }

  #end(error: Error): void {
    if (this.#gone !== undefined) return
    this.#gone = error
    this.#opened.reject(error)
    for (const { reject } of this.#pending.values()) {
      reject(new ThreadplaneError('JOURNAL_UNAVAILABLE', error.message, { cause: error, retryAfterSeconds: 5 }))
    }
    this.#pending.clear()
    this.#ended.resolve()
    if (!this.#serves || this.#closing) return
    // Nothing could be kept any more: this ends the process, and whoever restarts it has all that was.
    setImmediate(() => {
      throw new Error('the thread of the journal has died', { cause: error })
    })
  }

  async accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    const reply = this.#request('accept', requests.map(toAcceptRow))
    if (this.#batcher.size >= HEAD_START) this.#batcher.flush()
    const accepted = await reply
    return accepted.map((answer, index) => {
      if (!Array.isArray(answer)) return answer
      const [state, begunAt, keyExpiresAt] = answer
      return { kind: 'new', job: newJobRecord(requests[index] as AcceptRequest, state, begunAt), keyExpiresAt }
    })
  }

  async get(id: string): Promise<Job | undefined> {
    const job = await this.#request('get', id)
    return job && this.#withProgress(job)
  }

  async list(filter: JobFilter): Promise<JobPage> {
    const page = await this.#request('list', filter)
    return { ...page, items: page.items.map((job) => this.#withProgress(job)) }
  }

  async take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]> {
    return (await this.#request('take', service, limit, bytes)).map(toOpenAttempt)
  }

  nextDueAt(service: string): Promise<number | undefined> {
    return this.#request('nextDueAt', service)
  }

  release(id: string, attempt: number): Promise<boolean> {
    return this.#request('release', id, attempt)
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<boolean> {
    this.#progress.delete(id)
    return this.#request('retry', id, attempt, error, notBefore.getTime())
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean> {
    this.#progress.delete(id)
    return this.#request('finish', id, attempt, outcome)
  }

  withdraw(id: string, attempt: number, withdrawal: Withdrawal): Promise<boolean> {
    this.#progress.delete(id)
    return this.#request('withdraw', id, attempt, withdrawal)
  }

  cancel(id: string): Promise<Job | undefined> {
    return this.#request('cancel', id)
  }

  progress(id: string, attempt: number, progress: JobProgress): void {
    this.#progress.set(id, { attempt, progress })
  }

  #withProgress(job: Job): Job {
    const known = this.#progress.get(job.id)
    return known?.attempt === job.attempts && job.state === 'running' ? { ...job, progress: known.progress } : job
  }

  expire(): Promise<string[]> {
    return this.#request('expire')
  }

  requeue(id: string): Promise<Job> {
    return this.#request('requeue', id)
  }

  requeueFailed(service: string, limit: number, failedBy: number): Promise<number> {
    return this.#request('requeueFailed', service, limit, failedBy)
  }

  remove(id: string): Promise<void> {
    return this.#request('remove', id)
  }

  cancelWaiting(service: string, limit: number): Promise<string[]> {
    return this.#request('cancelWaiting', service, limit)
  }

  unfinished(service: string, limit: number): Promise<string[]> {
    return this.#request('unfinished', service, limit)
  }

  countUnfinished(service: string): Promise<number> {
    return this.#request('countUnfinished', service)
  }

  schedules(): Promise<Schedule[]> {
    return this.#request('schedules')
  }

  putSchedule(schedule: Schedule): Promise<void> {
    return this.#request('putSchedule', schedule)
  }

  removeSchedule(service: string, name: string): Promise<void> {
    return this.#request('removeSchedule', service, name)
  }

  /** Writes what is under way and closes the file. The thread is never terminated in the middle of a write. */
  async close(): Promise<void> {
    if (this.#gone === undefined) {
      this.#closing = true
      this.#batcher.flush()
      this.#worker.postMessage('close')
      if (await within(this.#ended.promise, CLOSE_WITHIN_MS)) return
      this.#log.fatal(`the journal does not close within ${CLOSE_WITHIN_MS} ms: the process is killed`)
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

/** Why the server must not start. */
async function startRefusal(folder: string, { reason, error }: JournalStatus & { kind: 'refused' }): Promise<Error> {
  const cause = fromWireError(error)
  const file = join(folder, FILE)
  switch (reason) {
    case 'inUse':
      return new Error(`the data folder ${folder} is in use by ${await holderOf(folder)}: one process at a time`)
    case 'damaged':
      return new Error(
        `the journal ${file} is damaged: restore it from a backup, or move it away to begin without jobs`,
        { cause },
      )
    case 'other':
      return new Error(`the journal ${file} cannot be opened`, { cause })
  }
}

async function holderOf(folder: string): Promise<string> {
  try {
    const text = await readFile(join(folder, HOLDER), 'utf8')
    const { pid, host, since } = JSON.parse(text) as { pid: number; host: string; since: string }
    return `process ${pid} on ${host}, since ${since}`
  } catch {
    return 'another process'
  }
}
