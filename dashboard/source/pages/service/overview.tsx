/** Why the service is in its state, its numbers over the last hour, what it is, and what has happened to it. */
import { useEffect } from 'preact/hooks'
import type { SeriesView } from '../../../../routes/schemas/series.ts'
import type { ServiceStatus } from '../../../../routes/schemas/service.ts'
import { get } from '../../api/request.ts'
import { Figure } from '../../app/glance.tsx'
import { useEvents } from '../../live/bus.ts'
import type { LiveEvent } from '../../live/live-event.ts'
import { href } from '../../router/router.ts'
import { now } from '../../state/now.ts'
import { oldestQueuedAt, range } from '../../state/overview.ts'
import { useResource } from '../../state/resource.ts'
import { Series } from '../../state/series.ts'
import type { Service } from '../../state/services.ts'
import { EventList } from '../activity/event-list.tsx'
import { serviceOfEvent } from '../activity/event-text.ts'
import { ago, bytes, count, duration, percent, rate, timestamp } from '../../ui/format.ts'

interface OverviewProps {
  status: ServiceStatus
  service: Service | undefined
}

const SERIES_EVERY_MS = 10_000
const SHOWN_EVENTS = 12
const TYPES = ['service.*', 'thread.*', 'schedule.*', 'job.failed']

export function Overview({ status, service }: OverviewProps) {
  const { name } = status
  const events = useResource(
    (signal) =>
      get<{ items: LiveEvent[] }>('/v1/events', {
        query: { service: name, type: TYPES.join() },
        headers: { accept: 'application/json' },
        signal,
      }).then(({ items }) => items.toReversed()),
    [name],
  )
  useEvents(TYPES, (event) => {
    if (serviceOfEvent(event) === name) events.change((items) => [event, ...items].slice(0, 200))
  })
  const all = events.data.value ?? []
  const crash = all.find((event) => event.type === 'thread.crashed')
  return (
    <div class="overview">
      <Why status={status} crash={crash} />
      <Figures name={name} service={service} />
      <div class="columns">
        <section>
          <h2>What has happened</h2>
          <EventList events={all.slice(0, SHOWN_EVENTS)} showService={false} />
          {all.length > SHOWN_EVENTS && (
            <a href={href(`/activity?service=${encodeURIComponent(name)}`)}>All {all.length} events that are kept</a>
          )}
        </section>
        <section>
          <h2>About</h2>
          <Facts status={status} />
        </section>
      </div>
    </div>
  )
}

function Why({ status, crash }: { status: ServiceStatus; crash: LiveEvent | undefined }) {
  const { crashReason, state, restartBudget } = status
  if (crashReason === null && crash === undefined) return null
  const isDown = ['failed', 'crashed', 'backoff'].includes(state)
  const jobId = crash?.type === 'thread.crashed' ? crash.jobId : undefined
  const { remaining, maxRestarts, periodMs } = restartBudget
  return (
    <section class={`why ${isDown ? (state === 'failed' ? 'bad' : 'warn') : ''}`}>
      <h2>{isDown ? `Why it is ${state}` : 'Last crash'}</h2>
      {crash?.type === 'thread.crashed' && (
        <p>
          {timestamp(crash.at)} UTC: thread {crash.thread.index} crashed, {CAUSES[crash.cause]}
          {jobId !== undefined && (
            <>
              {' '}
              under <a href={href(`/jobs/${jobId}`)}>job …{jobId.slice(-6)}</a>
            </>
          )}
        </p>
      )}
      {crashReason !== null && (
        <pre class="reason">
          {crashReason.name}: {crashReason.message}
        </pre>
      )}
      {isDown && (
        <p class="dim">
          {remaining} of {maxRestarts} restarts left within {duration(periodMs)}.{' '}
          {state === 'failed' && 'The supervisor has given up: start it when the reason is gone.'}
        </p>
      )}
    </section>
  )
}

const CAUSES = {
  exception: 'an exception',
  exit: 'it ended itself',
  hang: 'its event loop was blocked',
  oom: 'out of memory',
  flood: 'a flood of lines or messages',
  start: 'it did not start',
  killed: 'a signal ended its process',
} as const

function Figures({ name, service }: { name: string; service: Service | undefined }) {
  const last = range.value
  const series = useResource(
    (signal) =>
      get<SeriesView>('/v1/series', { query: { service: name, last }, signal }).then((answer) => new Series(answer)),
    [name, last],
  )
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void series.reload()
    }, SERIES_EVERY_MS)
    return () => clearInterval(timer)
  }, [series])
  const stats = service?.stats.value
  const data = series.data.value
  const ends = `in the last ${last}`
  return (
    <section class="cards" aria-label="Numbers">
      <Figure
        title="calls/s"
        value={rate(stats?.callsPerS ?? 0)}
        values={data?.perSecond('calls')}
        label={`Calls per second ${ends}`}
      />
      <Figure
        title="jobs/s"
        value={rate(stats?.jobsPerS ?? 0)}
        values={data?.perSecond('jobs')}
        label={`Jobs per second ${ends}`}
      />
      <Figure
        title="failed"
        value={percent(data?.failedShareInAll() ?? null)}
        values={data?.failedShare()}
        max={1}
        tone="bad"
        label={`Share of failures ${ends}`}
      />
      <Figure
        title="p95"
        value={duration(stats?.p95Ms)}
        values={data?.column('runP95Ms')}
        label={`95 % of methods took at most, ${ends}`}
      />
      <Figure
        title="queued"
        value={count(stats?.queue)}
        values={data?.column('queue')}
        label={`Methods that wait, ${ends}`}
      />
      <Figure
        title="running"
        value={count(stats?.running)}
        values={data?.column('running')}
        label={`Methods that run, ${ends}`}
      />
      <Figure
        title="busiest thread"
        value={percent(stats?.elu ?? null)}
        values={data?.column('elu')}
        max={1}
        label={`Event loop utilization, ${ends}`}
      />
      <Figure
        title="heap"
        value={bytes(stats?.heapBytes)}
        values={data?.column('heapBytes')}
        label={`Heap of all threads, ${ends}`}
      />
    </section>
  )
}

function Facts({ status }: { status: ServiceStatus }) {
  const { name, module, isolation, options, counts, restartCount, stuck, nodes } = status
  const oldest = oldestQueuedAt.value.get(name) ?? null
  const facts: [string, string | number][] = [
    ['Module', module],
    ['Isolation', isolation],
    ['Calls · casts', `${count(counts.calls)} · ${count(counts.casts)}`],
    [
      'Succeeded · failed · tried again',
      `${count(counts.succeeded)} · ${count(counts.failed)} · ${count(counts.retried)}`,
    ],
    [
      'Oldest waiting job',
      oldest === null ? 'none waits' : `since ${timestamp(oldest)} UTC, ${ago(oldest, now.value)}`,
    ],
    ['Restarts', restartCount],
    ...(options.dependsOn?.length ? [['Depends on', options.dependsOn.join(', ')] as [string, string]] : []),
    ...(stuck > 0 ? [['Stuck threads', stuck] as [string, number]] : []),
    ...(nodes ?? []).map(
      ({ name, state, threads }) => [`Node ${name}`, `${state}, ${threads} threads`] as [string, string],
    ),
  ]
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
