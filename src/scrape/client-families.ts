/** The clients of the server: their streams of events, and the requests that their tokens do not allow. */
import type { Counts } from '../telemetry/counts.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'

/** The streams of events, as far as their metrics need them. */
export interface MeasuredStreams {
  /** How many are open. */
  readonly count: number
  readonly cuts: Counts<string>
}

/** The tokens, as far as their metrics need them. */
export interface MeasuredAccess {
  readonly failures: Counts<string>
  limited(): Iterable<{ id: string; refused: number }>
}

export function writeStreams(text: MetricsText, { count, cuts }: MeasuredStreams): void {
  text.family('threadplane_event_streams', 'gauge', 'Open streams of events')
  text.sample('', count)
  text.family(
    'threadplane_event_streams_cut_total',
    'counter',
    'Streams of events that the server has ended, by reason',
  )
  text.counts('', 'reason', cuts)
}

export async function writeAccess(text: MetricsText, access: MeasuredAccess): Promise<void> {
  text.family('threadplane_auth_failures_total', 'counter', 'Requests without a valid token or session, by reason')
  text.counts('', 'reason', access.failures)
  text.family('threadplane_rate_limited_total', 'counter', 'Requests beyond the rate limit of a token')
  for (const { id, refused } of access.limited()) {
    text.sample(labels({ token: id }), refused)
    await text.pause()
  }
}
