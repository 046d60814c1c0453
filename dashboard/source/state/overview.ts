/** Numbers of all services that no event tells: jobs by state, and the last hour. Read every 10 s while in sight. */
import { batch, computed, effect, signal } from '@preact/signals'
import type { JobCounts } from '../../../routes/schemas/job-counts.ts'
import type { SeriesView } from '../../../routes/schemas/series.ts'
import { get, isAbort } from '../api/request.ts'
import { listen } from '../live/bus.ts'
import { isLive } from '../live/live.ts'
import { query } from '../router/router.ts'
import { Series } from './series.ts'
import type { Service } from './services.ts'

const EVERY_MS = 10_000
/** Failures come in floods. */
const AFTER_FAILURE_MS = 1_000

export const jobCounts = signal<JobCounts | undefined>(undefined)
/** Jobs that wait, by service. */
export const waitingJobs = computed(
  () => new Map(jobCounts.value?.items.map((one) => [one.service, one.counts.queued])),
)
/** Since when the oldest job waits that could run, by service. */
export const oldestQueuedAt = computed(
  () => new Map(jobCounts.value?.items.map((one) => [one.service, one.oldestQueuedAt])),
)
/** Methods that wait in memory, and jobs that wait on disk: a paused service has its jobs there. A job may be in both. */
export function waitingOf({ name, stats }: Service): number {
  return Math.max(stats.value.queue, waitingJobs.value.get(name) ?? 0)
}
/** Why they could not be read: `JOURNAL_UNAVAILABLE` is shown on every page. */
export const overviewError = signal<unknown>(undefined)
export const overviewSeries = signal<Series | undefined>(undefined)

export const RANGES = ['5m', '15m', '1h'] as const
/** How far back the charts go. */
export const range = computed(() => RANGES.find((one) => one === query.value.get('last')) ?? '1h')

let running: AbortController | undefined

async function read(): Promise<void> {
  running?.abort()
  const mine = new AbortController()
  running = mine
  const { signal } = mine
  // The journal may be unavailable: the charts go on, as they are of what the server remembers.
  const [counts, series] = await Promise.allSettled([
    get<JobCounts>('/v1/jobs/counts', { signal }),
    get<SeriesView>('/v1/series', { query: { last: range.peek() }, signal }),
  ])
  if (running !== mine) return
  batch(() => {
    if (counts.status === 'fulfilled') jobCounts.value = counts.value
    if (series.status === 'fulfilled') overviewSeries.value = new Series(series.value)
    const failed = [counts, series].find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (!isAbort(failed?.reason)) overviewError.value = failed?.reason
  })
}

/** Once, when somebody is signed in. */
export function followOverview(): () => void {
  let soon: ReturnType<typeof setTimeout> | undefined
  const timer = setInterval(() => {
    if (!document.hidden && isLive.value) void read()
  }, EVERY_MS)
  const stopListening = listen(['job.failed'], () => {
    soon ??= setTimeout(() => {
      soon = undefined
      void read()
    }, AFTER_FAILURE_MS)
  })
  const stopEffect = effect(() => {
    void range.value
    void read()
  })
  return () => {
    clearInterval(timer)
    clearTimeout(soon)
    stopListening()
    stopEffect()
    running?.abort()
  }
}
