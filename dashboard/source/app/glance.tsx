/** Numbers of all services together, each with its course over the range. */
import { useComputed } from '@preact/signals'
import { overviewSeries, range, waitingOf } from '../state/overview.ts'
import { services, totals } from '../state/services.ts'
import { count, duration, percent, rate } from '../ui/format.ts'
import { Sparkline } from '../ui/sparkline.tsx'

export function Glance() {
  const series = overviewSeries.value
  const { callsPerS, jobsPerS, running, p95Ms, elu } = totals.value
  const waiting = useComputed(() => (services.value ?? []).reduce((sum, service) => sum + waitingOf(service), 0))
  const failed = series?.failedShareInAll() ?? null
  const ends = `in the last ${range.value}`
  return (
    <section class="glance" aria-label="All services at a glance">
      <Figure
        title="calls/s"
        value={rate(callsPerS)}
        values={series?.perSecond('calls')}
        label={`Calls per second ${ends}`}
      />
      <Figure
        title="jobs/s"
        value={rate(jobsPerS)}
        values={series?.perSecond('jobs')}
        label={`Jobs per second ${ends}`}
      />
      <Figure
        title="failed"
        value={percent(failed)}
        values={series?.failedShare()}
        label={`Share of failures ${ends}`}
        max={1}
        tone="bad"
      />
      <Figure
        title="p95"
        value={p95Ms === 0 ? '–' : duration(p95Ms)}
        values={series?.column('runP95Ms')}
        label={`95 % of methods took at most, ${ends}`}
      />
      <Figure
        title="queued"
        value={count(waiting.value)}
        values={series?.column('queue')}
        label={`Methods that wait in memory, ${ends}. The number counts jobs on disk too`}
      />
      <Figure
        title="running"
        value={count(running)}
        values={series?.column('running')}
        label={`Methods that run, ${ends}`}
      />
      <Figure
        title="busiest thread"
        value={percent(elu)}
        values={series?.column('elu')}
        max={1}
        label={`Event loop utilization of the busiest thread, ${ends}`}
      />
    </section>
  )
}

interface FigureProps {
  title: string
  value: string
  values: (number | null)[] | undefined
  label: string
  max?: number
  tone?: 'accent' | 'bad'
}

export function Figure({ title, value, values = [], label, ...chart }: FigureProps) {
  return (
    <div class="figure">
      <span class="title">{title}</span>
      <span class="value">{value}</span>
      <Sparkline values={values} label={label} {...chart} />
    </div>
  )
}
