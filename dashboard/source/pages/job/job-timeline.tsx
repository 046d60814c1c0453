/** The steps of a job on a line. */
import type { Job } from '../../../../routes/schemas/job.ts'
import { clock, duration, timestamp } from '../../ui/format.ts'
import { timelineOf } from './timeline.ts'

const MARKS = { good: '✓', bad: '✕', warn: '◷', info: '●', off: '○' }

export function JobTimeline({ job }: { job: Job }) {
  return (
    <ol class="timeline" aria-label="What happened">
      {timelineOf(job).map(({ key, label, tone, at, afterMs, tookMs, error }) => (
        <li key={key}>
          {afterMs !== undefined && <span class="gap">{duration(afterMs)}</span>}
          <span class={`mark ${tone}`} aria-hidden="true">
            {MARKS[tone]}
          </span>
          <span class="label">{label}</span>
          <span class="dim" title={at && timestamp(at)}>
            {at === undefined ? 'waits' : clock(at)}
            {typeof tookMs === 'number' && `, ${duration(tookMs)}`}
            {tookMs === null && ', running'}
          </span>
          {error !== undefined && <code class="bad">{error}</code>}
        </li>
      ))}
    </ol>
  )
}
