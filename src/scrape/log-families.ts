/** How many lines the services and the server itself have logged. */
import type { LogLevel } from '../contract/log.ts'
import type { Counts } from '../telemetry/counts.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'

/** The server itself, whose label is empty: a service may have any other name. */
const SERVER = ''

/** The log, as far as its metrics need it. */
export interface MeasuredLog {
  counted(service: string): { lines: Counts<LogLevel>; dropped: number }
}

export async function writeLog(
  text: MetricsText,
  log: MeasuredLog,
  services: readonly { name: string }[],
): Promise<void> {
  const rows = [SERVER, ...services.map(({ name }) => name)].map((service) => ({
    own: labels({ service }),
    counted: log.counted(service),
  }))
  text.family('threadplane_log_lines_total', 'counter', 'Lines of the log; service="" is the server itself')
  for (const { own, counted } of rows) {
    text.counts(own, 'level', counted.lines)
    await text.pause()
  }
  text.family('threadplane_log_lines_dropped_total', 'counter', 'Lines that threads had to drop: they logged too many')
  for (const { own, counted } of rows) {
    text.sample(own, counted.dropped)
    await text.pause()
  }
}
