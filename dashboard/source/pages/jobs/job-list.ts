/**
 * The jobs that match a filter, newest first, read page by page. An event changes the row of its job in place; jobs that
 * are not in the list yet only count as new, so that nothing moves under the pointer.
 */
import { batch, type Signal, signal } from '@preact/signals'
import type { Job } from '../../../../routes/schemas/job.ts'
import type { JobEvent } from '../../../../src/contract/events.ts'
import { get, isAbort } from '../../api/request.ts'
import { belongs, type JobFilter, sinceTime } from './job-filter.ts'

/** Results are not kept: a list of them may be large. */
export type ListedJob = Omit<Job, 'result' | 'state'> & { state: string }

export interface JobRow {
  id: string
  job: Signal<ListedJob>
}

const PAGE = 100
/** New jobs are counted up to here. */
const MAX_NEW = 9_999

export class JobList {
  readonly rows = signal<readonly JobRow[]>([])
  readonly loading = signal(true)
  readonly error = signal<unknown>(undefined)
  /** Are all jobs that match in the list? */
  readonly complete = signal(false)
  /** Ids of jobs that match and are not in the list. */
  readonly fresh = signal<ReadonlySet<string>>(new Set())
  /** Events may have been missed. */
  readonly stale = signal(false)
  readonly filter: JobFilter
  readonly #rows = new Map<string, JobRow>()
  readonly #ended = new AbortController()
  /** ISO time. */
  readonly #since: string | undefined
  #cursor: string | undefined

  constructor(filter: JobFilter) {
    this.filter = filter
    this.#since = sinceTime(filter, Date.now())
    void this.#read()
  }

  /** Reads the next page, unless one is being read. */
  readonly more = (): void => {
    if (!this.loading.peek() && !this.complete.peek() && this.error.peek() === undefined) void this.#read()
  }

  /** After an error. */
  readonly retry = (): void => void this.#read()

  stop(): void {
    this.#ended.abort()
  }

  /** @param at ISO time of the event */
  take({ type, job, error, progress }: JobEvent, at: string): void {
    const row = this.#rows.get(job.id)
    if (row === undefined) {
      if (type === 'job.accepted' || this.filter.state !== undefined) this.#takeNew(job)
      return
    }
    const old = row.job.peek()
    row.job.value = {
      ...old,
      attempts: job.attempts,
      state: type === 'job.deleted' ? 'deleted' : job.state,
      ...(type === 'job.started' && { startedAt: old.startedAt ?? at, progress: null }),
      ...(progress !== undefined && { progress }),
      ...(isEnd(type) && { finishedAt: at }),
      ...(error !== undefined && { error: { message: error.message, code: error.code ?? error.name ?? '' } }),
    }
  }

  #takeNew(job: JobEvent['job']): void {
    const fresh = this.fresh.peek()
    if (!belongs(this.filter, job) || fresh.has(job.id) || fresh.size >= MAX_NEW) return
    this.fresh.value = new Set(fresh).add(job.id)
  }

  async #read(): Promise<void> {
    this.loading.value = true
    this.error.value = undefined
    const { state, service, method, errorKey } = this.filter
    const { signal } = this.#ended
    const query = { state, service, method, errorKey, since: this.#since, limit: PAGE, cursor: this.#cursor }
    try {
      const { items, nextCursor } = await get<{ items: Job[]; nextCursor: string | null }>('/v1/jobs', {
        query,
        signal,
      })
      batch(() => {
        this.#cursor = nextCursor ?? undefined
        this.complete.value = nextCursor === null
        this.rows.value = [...this.rows.peek(), ...items.flatMap((job) => this.#rowOf(job))]
        const fresh = [...this.fresh.peek()].filter((id) => !this.#rows.has(id))
        if (fresh.length < this.fresh.peek().size) this.fresh.value = new Set(fresh)
        this.loading.value = false
      })
    } catch (error) {
      if (isAbort(error)) return
      batch(() => {
        this.error.value = error
        this.loading.value = false
      })
    }
  }

  #rowOf({ result: _result, ...job }: Job): JobRow[] {
    if (this.#rows.has(job.id)) return []
    const row = { id: job.id, job: signal<ListedJob>(job) }
    this.#rows.set(job.id, row)
    return [row]
  }
}

function isEnd(type: JobEvent['type']): boolean {
  return ['job.succeeded', 'job.failed', 'job.cancelled', 'job.expired'].includes(type)
}
