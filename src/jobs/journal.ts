/**
 * The job store on disk: SQLite, in a thread of its own, so that the event loop never waits for a disk (P2).
 * This is the control thread's end of it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { fromWireError, ThreadplaneError, toWireError } from '../errors.ts'
import { Outbox } from '../outbox.ts'
import { Deferred } from '../service/deferred.ts'
import type { ServiceLog } from '../service/service.ts'
import { within } from '../within.ts'
import type { Job, JobError, JobProgress } from './job.ts'
import type { Accepted, AcceptRequest, JobFilter, JobOutcome, JobPage, JobStore, Schedule } from './job-store.ts'
import type {
  JournalData,
  JournalOpened,
  JournalOperation,
  JournalOperations,
  JournalReply,
  JournalRequest,
} from './journal-protocol.ts'

export interface JournalOptions {
  /** The data folder. */
  folder: string
  log: ServiceLog
  keepJobsMs: number
  maxFinishedJobs?: number
}

const MAX_FINISHED_JOBS = 1_000_000
/** Operations that may wait for the journal's thread. */
const MAX_PENDING = 100_000
/** How long closing may take; the process is ended by force after it. */
const CLOSE_WITHIN_MS = 2_000
/** Result codes of SQLite. */
const BUSY = 5
const DAMAGED = [11, 26]

export class Journal implements JobStore {
  readonly #log: ServiceLog
  readonly #outbox: Outbox<JournalRequest>
  readonly #pending = new Map<number, Deferred<unknown>>()
  readonly #progress = new Map<string, { attempt: number; progress: JobProgress }>()
  readonly #ended = new Deferred<void>()
  #lastId = 0
  #gone: Error | undefined

  private constructor(worker: Worker, log: ServiceLog) {
    this.#log = log
    this.#outbox = new Outbox<JournalRequest>(
      (requests) => worker.postMessage(requests),
      ({ id }, error) => this.#reply({ id, error: toWireError(error) }),
    )
    worker.on('message', (replies: JournalReply[]) => {
      for (const reply of replies) this.#reply(reply)
    })
    worker.on('error', (error) => this.#end(error))
    worker.on('exit', () => this.#end(new Error('the thread of the journal has ended')))
  }

  /** Opens the journal of a data folder, or makes it; jobs that were running are taken up. */
  static async open({
    folder,
    log,
    keepJobsMs,
    maxFinishedJobs = MAX_FINISHED_JOBS,
  }: JournalOptions): Promise<Journal> {
    await mkdir(folder, { recursive: true })
    const file = join(folder, 'jobs.sqlite')
    const holder = join(folder, 'holder.json')
    const workerData: JournalData = { file, keepJobsMs, maxFinishedJobs }
    const worker = new Worker(new URL('./journal-thread.js', import.meta.url), { workerData, name: 'journal' })
    const [opened] = await new Promise<[JournalOpened]>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    if (!opened.opened) throw await openError(folder, holder, opened)
    if (opened.recovered > 0) log.warn({ jobs: opened.recovered }, 'jobs were running when the server ended: taken up')
    // It helps who is refused, and nobody else: a full disk is no reason not to start.
    const held = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
    await writeFile(holder, held).catch((error: unknown) => log.warn({ err: error }, `${holder} cannot be written`))
    return new Journal(worker, log)
  }

  #request<Operation extends JournalOperation>(
    operation: Operation,
    ...args: Parameters<JournalOperations[Operation]>
  ): Promise<ReturnType<JournalOperations[Operation]>> {
    if (this.#gone !== undefined || this.#pending.size >= MAX_PENDING) {
      const why = this.#gone?.message ?? `${this.#pending.size} operations wait for it`
      return Promise.reject(new ThreadplaneError('JOURNAL_UNAVAILABLE', why, { retryAfterSeconds: 5 }))
    }
    const reply = new Deferred<unknown>()
    this.#lastId += 1
    this.#pending.set(this.#lastId, reply)
    this.#outbox.push({ id: this.#lastId, operation, args })
    return reply.promise as Promise<ReturnType<JournalOperations[Operation]>>
  }

  #reply(reply: JournalReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if ('error' in reply) pending?.reject(fromWireError(reply.error))
    else pending?.resolve(reply.value)
  }

  #end(error: Error): void {
    if (this.#gone !== undefined) return
    this.#gone = error
    for (const { reject } of this.#pending.values()) {
      reject(new ThreadplaneError('JOURNAL_UNAVAILABLE', error.message, { cause: error, retryAfterSeconds: 5 }))
    }
    this.#pending.clear()
    this.#ended.resolve()
  }

  async accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    const accepted = await this.#request('accept', requests)
    return accepted.map((answer, index) => {
      if (answer.kind !== 'new') return answer
      const { state, begunAt, ...more } = answer
      const { job } = requests[index] as AcceptRequest
      const startedAt = begunAt === null ? null : new Date(begunAt).toISOString()
      const begun = startedAt !== null && { attempts: 1, startedAt, history: [{ number: 1, startedAt }] }
      return { ...more, job: { ...job, payload: '', state, ...begun } }
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

  due(service: string, limit: number): Promise<Job[]> {
    return this.#request('due', service, limit)
  }

  nextDueAt(service: string): Promise<number | undefined> {
    return this.#request('nextDueAt', service)
  }

  begin(id: string): Promise<Job | undefined> {
    return this.#request('begin', id)
  }

  release(id: string, attempt: number): Promise<void> {
    return this.#request('release', id, attempt)
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date): Promise<Job | undefined> {
    this.#progress.delete(id)
    return this.#request('retry', id, attempt, error, notBefore.getTime())
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<Job | undefined> {
    this.#progress.delete(id)
    return this.#request('finish', id, attempt, outcome)
  }

  progress(id: string, attempt: number, progress: JobProgress): void {
    this.#progress.set(id, { attempt, progress })
  }

  #withProgress(job: Job): Job {
    const known = this.#progress.get(job.id)
    return known?.attempt === job.attempts && job.state === 'running' ? { ...job, progress: known.progress } : job
  }

  expire(): Promise<Job[]> {
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
      this.#request('close').catch(() => {})
      if (await within(this.#ended.promise, CLOSE_WITHIN_MS)) return
      this.#log.fatal(`the journal does not close within ${CLOSE_WITHIN_MS} ms: the process is killed`)
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

async function openError(
  folder: string,
  holder: string,
  { error, errno }: JournalOpened & { opened: false },
): Promise<Error> {
  const cause = fromWireError(error)
  if (errno === BUSY) {
    const who = await readFile(holder, 'utf8').then(
      (text) => {
        const { pid, host, since } = JSON.parse(text) as { pid: number; host: string; since: string }
        return `process ${pid} on ${host}, since ${since}`
      },
      () => 'another process',
    )
    return new Error(`the data folder ${folder} is in use by ${who}: one process at a time`)
  }
  const remedy = DAMAGED.includes(errno)
    ? 'is damaged: restore it from a backup, or move it away to begin without jobs'
    : 'cannot be opened'
  return new Error(`the journal ${join(folder, 'jobs.sqlite')} ${remedy}`, { cause })
}
