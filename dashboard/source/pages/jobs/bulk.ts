/** Actions on many jobs: on those that were chosen, one by one; on all that match a filter, in the server. */
import type { Scope } from '../../../../src/auth/access.ts'
import type { JobState } from '../../../../src/contract/states.ts'
import { post, request } from '../../api/request.ts'

export type BulkAction = 'retry' | 'cancel' | 'delete'

/** To which jobs an action applies, and what it does. */
export const BULK: Record<BulkAction, { verb: string; scope: Scope; states: readonly string[]; effect: string }> = {
  retry: {
    verb: 'Retry',
    scope: 'operate',
    states: ['failed', 'cancelled', 'expired'] satisfies JobState[],
    effect: 'Each is queued again, with new attempts. Its history so far stays.',
  },
  cancel: {
    verb: 'Cancel',
    scope: 'enqueue',
    states: ['scheduled', 'queued', 'running'] satisfies JobState[],
    effect: 'Jobs that wait never run. Handlers that run get an aborted signal.',
  },
  delete: {
    verb: 'Delete',
    scope: 'operate',
    states: ['succeeded', 'failed', 'cancelled', 'expired'] satisfies JobState[],
    effect: 'Their payloads, results and logs are gone for good.',
  },
}

export interface BulkFilter {
  service?: string
  method?: string
  state: JobState
  errorKey?: string
  /** ISO times: only jobs that were accepted from `since` on, and before `before`. */
  since?: string
  before?: string
}

export interface BulkResult {
  matched: number
  changed: number
  remaining: number
}

export function bulk(
  action: BulkAction,
  filter: BulkFilter,
  dryRun: boolean,
  signal?: AbortSignal,
): Promise<BulkResult> {
  return post<BulkResult>('/v1/jobs/bulk', { json: { action, filter, dryRun }, ...(signal && { signal }) })
}

/** Requests at the same time. */
const PARALLEL = 6

/** @returns how many were changed, and why the others were not */
export async function changeEach(
  action: BulkAction,
  ids: readonly string[],
): Promise<{ changed: number; errors: unknown[] }> {
  const left = [...ids]
  const errors: unknown[] = []
  let changed = 0
  const work = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      try {
        await changeOne(action, id)
        changed += 1
      } catch (error) {
        errors.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, work))
  return { changed, errors }
}

export function changeOne(action: BulkAction, id: string): Promise<unknown> {
  const path = `/v1/jobs/${encodeURIComponent(id)}`
  return action === 'delete' ? request('DELETE', path) : post(`${path}/${action}`)
}
