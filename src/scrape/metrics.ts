/**
 * The answer of `GET /metrics`: what was counted where it happened, and the present state of all parts of the server, read
 * now. Requests at the same time share one answer, so that the cost does not grow with the number of clients (P5).
 */
import type { Schedules } from '../jobs/schedules.ts'
import type { Registry } from '../registry/registry.ts'
import type { HttpMeter } from '../telemetry/http-meter.ts'
import { type Format, MetricsText } from '../telemetry/metrics-text.ts'
import { writeProcessMetrics } from '../telemetry/process-metrics.ts'
import { type MeasuredAccess, type MeasuredStreams, writeAccess, writeStreams } from './client-families.ts'
import { type CountsJobs, JobCounts } from './job-counts.ts'
import { type MeasuredLog, writeLog } from './log-families.ts'
import { writeMethods } from './method-families.ts'
import { type MeasuredJournal, writeBuild, writeHttp, writeJournal, writeSchedules } from './server-families.ts'
import { writeServices } from './service-families.ts'
import { writeThreads } from './thread-families.ts'

export interface MetricsOptions {
  /** The version of threadplane. */
  version: string
  registry: Registry
  schedules: Schedules
  journal: MeasuredJournal & CountsJobs
  http: HttpMeter
  log: MeasuredLog
  streams: MeasuredStreams
  /** `undefined`: nobody needs a token. */
  access: MeasuredAccess | undefined
}

export class Metrics {
  readonly #options: MetricsOptions
  readonly #jobCounts: JobCounts
  readonly #writing = new Map<Format, Promise<readonly Buffer[]>>()

  constructor(options: MetricsOptions) {
    this.#options = options
    this.#jobCounts = new JobCounts(options.journal)
  }

  /** The text in pieces. */
  read(format: Format): Promise<readonly Buffer[]> {
    let writing = this.#writing.get(format)
    if (writing === undefined) {
      writing = this.#write(new MetricsText(format)).finally(() => this.#writing.delete(format))
      this.#writing.set(format, writing)
    }
    return writing
  }

  async #write(text: MetricsText): Promise<readonly Buffer[]> {
    const { version, registry, schedules, journal, http, log, streams, access } = this.#options
    const { services } = registry
    writeBuild(text, version)
    await writeHttp(text, http)
    await writeMethods(text, services)
    await writeServices(text, services, this.#jobCounts)
    await writeThreads(text, services)
    writeJournal(text, journal)
    await writeSchedules(text, schedules, (service) => registry.find(service) !== undefined)
    await writeLog(text, log, services)
    writeStreams(text, streams)
    if (access !== undefined) await writeAccess(text, access)
    await writeProcessMetrics(text)
    return text.end()
  }
}
