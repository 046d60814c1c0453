/** What belongs to the server as a whole: its version, its HTTP requests, its journal, its schedules. */
import type { Schedules } from '../jobs/schedules.ts'
import type { StoreFigures } from '../jobs/store-figures.ts'
import { BATCH_BOUNDS, Histogram, RUN_BOUNDS } from '../telemetry/histogram.ts'
import type { HttpMeter } from '../telemetry/http-meter.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'

/** The journal, as far as its metrics need it. */
export interface MeasuredJournal {
  readonly isWritable: boolean
  readonly waiting: number
  readonly figures: StoreFigures | undefined
}

export function writeBuild(text: MetricsText, version: string): void {
  text.family('threadplane_build_info', 'gauge', 'The version of threadplane and of Node; the value is always 1')
  text.sample(labels({ version, node: process.versions.node }), 1)
}

export async function writeHttp(text: MetricsText, { routes }: HttpMeter): Promise<void> {
  text.family('threadplane_http_requests_total', 'counter', 'HTTP requests that were answered')
  for (const [route, meter] of routes) {
    for (const { method, status, count } of meter.counts()) text.sample(labels({ route, method, status }), count)
    await text.pause()
  }
  text.family('threadplane_http_request_duration_seconds', 'histogram', 'From the headers of a request to its answer')
  for (const [route, { duration }] of routes) {
    text.histogram(labels({ route }), duration)
    await text.pause()
  }
}

export function writeJournal(text: MetricsText, { isWritable, waiting, figures }: MeasuredJournal): void {
  text.family('threadplane_journal_writable', 'gauge', '0 while jobs cannot be written')
  text.sample('', isWritable ? 1 : 0)
  text.family('threadplane_journal_waiting', 'gauge', 'Operations that wait for an answer of the journal')
  text.sample('', waiting)
  if (figures === undefined) return
  if (figures.fileBytes !== undefined) {
    text.family('threadplane_journal_file_bytes', 'gauge', 'Size of the file of the journal and of its log')
    text.sample('', figures.fileBytes)
  }
  text.family('threadplane_journal_commit_seconds', 'histogram', 'How long transactions took until they were on disk')
  text.histogram('', restored(RUN_BOUNDS, figures.commitSeconds))
  text.family(
    'threadplane_journal_batch_jobs',
    'histogram',
    'New jobs and outcomes that were written in one transaction',
  )
  text.histogram('', restored(BATCH_BOUNDS, figures.batchJobs))
}

function restored(bounds: readonly number[], snapshot: Float64Array): Histogram {
  const histogram = new Histogram(bounds)
  histogram.restore(snapshot)
  return histogram
}

/** @param exists does the service of a schedule exist? */
export async function writeSchedules(
  text: MetricsText,
  schedules: Schedules,
  exists: (service: string) => boolean,
): Promise<void> {
  const known = [...schedules.known].filter(({ schedule }) => exists(schedule.service))
  text.family('threadplane_schedule_runs_total', 'counter', 'Ticks of a schedule that have cast a job')
  for (const { schedule, runs } of known) {
    text.sample(labels({ service: schedule.service, name: schedule.name }), runs)
    await text.pause()
  }
  text.family(
    'threadplane_schedule_last_run_timestamp_seconds',
    'gauge',
    'The time of the last tick that has cast a job',
  )
  for (const { schedule } of known) {
    const { service, name, lastTickAt } = schedule
    if (lastTickAt !== null) text.sample(labels({ service, name }), lastTickAt / 1_000)
    await text.pause()
  }
}
