/**
 * Retries, cancels or deletes all jobs that a filter chooses, in short transactions. Each job meets the same checks as in
 * the operation on one job; a job that they refuse stays as it is, and counts as remaining.
 */
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import type { Attempts } from './attempts.ts'
import type { JobState } from '../contract/states.ts'
import type { Job } from './job.ts'
import type { BulkCursor, BulkFilter, BulkPage, JobStore } from './job-store.ts'
import type { StoreDeadline } from './store-deadline.ts'

/** Jobs that one call changes. */
const MAX_CHANGED = 10_000
/** Jobs that one call looks at: some of them cannot be changed. */
const MAX_EXAMINED = 100_000
/** Jobs in one transaction. */
const STEP = 500

/** Action → the states of the jobs that it applies to. */
export const BULK_ACTIONS = {
  retry: ['failed', 'cancelled', 'expired'],
  cancel: ['scheduled', 'queued', 'running'],
  delete: ['succeeded', 'failed', 'cancelled', 'expired'],
} as const satisfies Record<string, readonly JobState[]>

export interface BulkRequest {
  action: keyof typeof BULK_ACTIONS
  filter: Omit<BulkFilter, 'states'> & { state: JobState }
  /** Change nothing, and say how many jobs match. */
  dryRun: boolean
}

interface BulkResult {
  matched: number
  changed: number
  remaining: number
}

interface BulkJobsParts {
  store: JobStore
  deadline: StoreDeadline
  attempts: Attempts
  /** Does the service exist? */
  exists: (service: string) => boolean
  /** Cancels one job, and answers it as it is then. */
  cancel: (id: string) => Promise<Job>
  onFinished: (id: string) => void
  onWaiting: (service: string) => void
}

export class BulkJobs {
  readonly #parts: BulkJobsParts

  constructor(parts: BulkJobsParts) {
    this.#parts = parts
  }

  /** @throws VALIDATION_FAILED if the action does not apply to the state; JOURNAL_UNAVAILABLE */
  async run({ action, filter: { state, ...filter }, dryRun }: BulkRequest): Promise<BulkResult> {
    check(action, state, filter.errorKey)
    // For clients a job whose attempt has not begun in its thread is `queued`.
    const states: JobState[] = state === 'queued' ? ['queued', 'running'] : [state]
    const stored = { ...filter, states }
    const matched = await this.#count(stored, state)
    if (dryRun) return { matched, changed: 0, remaining: matched }
    let changed = 0
    let examined = 0
    for (let from: BulkCursor | undefined; ; ) {
      const page = await this.#page(stored, Math.min(STEP, MAX_CHANGED - changed), from)
      changed += await this.#change(action, this.#seen(page, state))
      examined += page.jobs.length
      from = page.next
      if (from === undefined || changed === MAX_CHANGED || examined >= MAX_EXAMINED) break
    }
    return { matched: Math.max(matched, changed), changed, remaining: Math.max(matched - changed, 0) }
  }

  #page(filter: BulkFilter, limit: number, from?: BulkCursor): Promise<BulkPage> {
    const { store, deadline } = this.#parts
    return deadline.within(store.matching(filter, limit, from))
  }

  async #count(filter: BulkFilter, state: JobState): Promise<number> {
    const { store, deadline, attempts } = this.#parts
    if (state !== 'queued' && state !== 'running') return deadline.within(store.countMatching(filter))
    const count = await deadline.within(store.countMatching({ ...filter, states: [state] }))
    const notBegun = [...attempts.notBegun()].filter(
      ({ service, method }) => (filter.service ?? service) === service && (filter.method ?? method) === method,
    ).length
    return state === 'queued' ? count + notBegun : Math.max(count - notBegun, 0)
  }

  /** The jobs of a page that have the state for clients too. */
  #seen({ jobs }: BulkPage, state: JobState): BulkPage['jobs'] {
    const { attempts } = this.#parts
    return jobs.filter(
      (job) => (job.state === 'running' && attempts.isWaiting(job.id) ? 'queued' : job.state) === state,
    )
  }

  /** Returns the number of jobs that were changed. */
  async #change(action: keyof typeof BULK_ACTIONS, jobs: BulkPage['jobs']): Promise<number> {
    switch (action) {
      case 'retry':
        return this.#retry(jobs)
      case 'cancel':
        return this.#cancel(jobs)
      case 'delete': {
        const { store, deadline } = this.#parts
        return jobs.length === 0 ? 0 : deadline.within(store.removeAll(jobs.map(({ id }) => id)))
      }
    }
  }

  /** A job of a deleted service would wait for ever. */
  async #retry(all: BulkPage['jobs']): Promise<number> {
    const { store, deadline, exists, onWaiting } = this.#parts
    const jobs = all.filter(({ service }) => exists(service))
    if (jobs.length === 0) return 0
    const requeued = store.requeueAll(jobs.map(({ id }) => id)).then((ids) => {
      for (const service of new Set(jobs.map(({ service }) => service))) onWaiting(service)
      return ids.length
    })
    return deadline.within(requeued)
  }

  async #cancel(jobs: BulkPage['jobs']): Promise<number> {
    const { store, deadline, onFinished } = this.#parts
    const waiting = jobs.filter(({ state }) => state !== 'running').map(({ id }) => id)
    const cancelled = new Set(waiting.length === 0 ? [] : await deadline.within(store.cancelSome(waiting)))
    for (const id of cancelled) onFinished(id)
    // The others run, or have begun to meanwhile.
    const others = jobs.filter(({ id }) => !cancelled.has(id))
    const ended = await Promise.all(others.map(({ id }) => this.#cancelOne(id)))
    return cancelled.size + ended.filter(Boolean).length
  }

  async #cancelOne(id: string): Promise<boolean> {
    try {
      return (await this.#parts.cancel(id)).state === 'cancelled'
    } catch (error) {
      if (hasCode(error, 'CONFLICT') || hasCode(error, 'JOB_NOT_FOUND')) return false
      throw error
    }
  }
}

/** @throws VALIDATION_FAILED */
function check(action: keyof typeof BULK_ACTIONS, state: JobState, errorKey: string | undefined): void {
  const states: readonly JobState[] = BULK_ACTIONS[action]
  const refuse = (pointer: string, message: string) => {
    throw new ThreadplaneError('VALIDATION_FAILED', message, { errors: [{ pointer, message }] })
  }
  if (!states.includes(state)) refuse('/filter/state', `${action} applies to jobs that are ${states.join(', ')}`)
  if (errorKey !== undefined && state !== 'failed') refuse('/filter/errorKey', 'only jobs that are failed have a key')
}
