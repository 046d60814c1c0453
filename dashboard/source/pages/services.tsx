/** All services: one row each, with what changes in cells of their own. */
import { useComputed, useSignal } from '@preact/signals'
import { href, navigate, query, setQuery } from '../router/router.ts'
import { now } from '../state/now.ts'
import { oldestQueuedAt, waitingJobs, waitingOf } from '../state/overview.ts'
import { act, ACTIONS, type ActionName, whyNot } from '../state/service-actions.tsx'
import { readServices, type Service, services, servicesError } from '../state/services.ts'
import { useKeys } from '../keys/keys.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Bar } from '../ui/bar.tsx'
import { Empty } from '../ui/empty.tsx'
import { ago, bytes, count, duration, percent, rate, timestamp } from '../ui/format.ts'
import { Menu } from '../ui/menu.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'
import { type Column, Table } from '../ui/table.tsx'

const FILTERS = {
  all: { title: 'All', states: [] },
  running: { title: 'Running', states: ['running', 'starting'] },
  trouble: { title: 'In trouble', states: ['failed', 'crashed', 'backoff'] },
  paused: { title: 'Paused', states: ['paused'] },
  stopped: { title: 'Stopped', states: ['stopped', 'stopping'] },
} as const
type FilterName = keyof typeof FILTERS

const isIn = (name: FilterName, { phase }: Service) =>
  name === 'all' || (FILTERS[name].states as readonly string[]).includes(phase.value.state)

const COLUMNS: Column<Service>[] = [
  {
    key: 'name',
    title: 'Name',
    cell: ({ name }) => (
      <a class="name" href={href(`/services/${encodeURIComponent(name)}`)} title={name}>
        {name}
      </a>
    ),
  },
  { key: 'state', title: 'State', width: '12%', cell: (service) => <State service={service} /> },
  { key: 'threads', title: 'Threads', width: '8%', align: 'end', cell: (service) => <Threads service={service} /> },
  { key: 'queue', title: 'Queue', width: '12%', align: 'end', cell: (service) => <Queue service={service} /> },
  { key: 'calls', title: 'Calls/s', width: '8%', align: 'end', cell: (service) => <Calls service={service} /> },
  { key: 'p95', title: 'p95', width: '8%', align: 'end', cell: (service) => <P95 service={service} /> },
  { key: 'failed', title: 'Failed', width: '8%', align: 'end', cell: (service) => <Failed service={service} /> },
  { key: 'restarts', title: 'Restarts', width: '9%', cell: (service) => <Restarts service={service} /> },
  { key: 'heap', title: 'Heap', width: '9%', align: 'end', cell: (service) => <Heap service={service} /> },
  { key: 'actions', title: '', width: '44px', wideOnly: true, cell: (service) => <Actions service={service} /> },
]

export function ServicesPage() {
  const cursor = useSignal<Service | undefined>(undefined)
  const text = query.value.get('q') ?? ''
  const asked = query.value.get('state') ?? 'all'
  const filter = (Object.hasOwn(FILTERS, asked) ? asked : 'all') as FilterName
  const shown = useComputed(() => {
    const words = (query.value.get('q') ?? '').toLowerCase()
    const wanted = query.value.get('state') ?? 'all'
    const name = (Object.hasOwn(FILTERS, wanted) ? wanted : 'all') as FilterName
    return (services.value ?? []).filter((service) => service.name.toLowerCase().includes(words) && isIn(name, service))
  })
  const does = (name: ActionName) => {
    const service = cursor.value
    if (service !== undefined && !whyNot(name, service)) void act(name, service)
  }
  const opens = (tab: string) =>
    cursor.value && navigate(`/services/${encodeURIComponent(cursor.value.name)}?tab=${tab}`)
  useKeys([
    { key: 'r', label: 'Restart the service under the cursor', run: () => does('restart') },
    {
      key: 'p',
      label: 'Pause or resume it',
      run: () => does(cursor.value?.phase.value.state === 'paused' ? 'resume' : 'pause'),
    },
    { key: 'c', label: 'Call one of its methods', run: () => opens('methods') },
    { key: 't', label: 'Its threads', run: () => opens('threads') },
    {
      key: '.',
      label: 'All that it offers',
      run: () => document.querySelector<HTMLElement>('tr.cursor .menu button')?.click(),
    },
  ])
  if (services.value === undefined) {
    return servicesError.value === undefined ? (
      <p class="loading">Loading…</p>
    ) : (
      <ProblemBox error={servicesError.value} onRetry={readServices} />
    )
  }
  if (services.value.length === 0) return <NoServices />
  return (
    <>
      <h1 class="sr-only">Services</h1>
      <div class="toolbar">
        <input
          type="search"
          aria-label="Filter by name"
          placeholder="Filter by name  /"
          value={text}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
          onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        />
        <div class="chips" role="group" aria-label="Filter by state">
          {Object.entries(FILTERS).map(([name, { title }]) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === filter}
              onClick={() => setQuery({ state: name === 'all' ? undefined : name })}
            >
              {title} <Number name={name as FilterName} />
            </button>
          ))}
        </div>
      </div>
      {shown.value.length === 0 ? (
        <Empty title="No service matches">
          <button type="button" class="link" onClick={() => setQuery({ q: undefined, state: undefined })}>
            Show all {services.value.length}
          </button>
        </Empty>
      ) : (
        <Table
          label="Services"
          columns={COLUMNS}
          rows={shown.value}
          keyOf={({ name }) => name}
          onOpen={({ name }) => navigate(`/services/${encodeURIComponent(name)}`)}
          onCursor={(service) => {
            cursor.value = service
          }}
        />
      )}
    </>
  )
}

function Number({ name }: { name: FilterName }) {
  const number = useComputed(() => (services.value ?? []).filter((service) => isIn(name, service)).length)
  return <span class="number">{number}</span>
}

interface CellProps {
  service: Service
}

function State({ service }: CellProps) {
  const { state, nextStartAt } = service.phase.value
  return (
    <>
      <StateBadge state={state} />
      {state === 'backoff' && nextStartAt !== null && <span class="dim"> {ago(nextStartAt, now.value)}</span>}
    </>
  )
}

function Threads({ service }: CellProps) {
  const { ready, wanted } = service.threads.value
  const isShort = service.phase.value.desiredState === 'running' && ready < wanted
  if (isShort) {
    return (
      <a
        class="warn"
        href={href(`/services/${encodeURIComponent(service.name)}?tab=threads`)}
        title={`${wanted - ready} of ${wanted} threads do not answer, or have not started: look at their stacks`}
      >
        {ready}/{wanted} ready
      </a>
    )
  }
  return (
    <span class={ready === 0 ? 'dim' : ''}>
      {ready}/{wanted}
    </span>
  )
}

function Queue({ service }: CellProps) {
  const { queue, running } = service.stats.value
  const jobs = waitingJobs.value.get(service.name) ?? 0
  const waiting = waitingOf(service)
  const share = service.capacity.value === 0 ? 0 : queue / service.capacity.value
  return (
    <span class="queue">
      {queue > 0 && (
        <Bar share={share} tone={share > 0.8 ? 'bad' : 'accent'} label={`${percent(share)} of the queue`} />
      )}
      <span
        class={waiting === 0 && running === 0 ? 'dim' : ''}
        title={`${queue} wait in memory, ${jobs} jobs wait, ${running} run`}
      >
        {count(waiting)}
      </span>
      <OldestJob name={service.name} />
    </span>
  )
}

/** A job that waits for so long is worth a word. */
const LONG_WAIT_MS = 10_000

function OldestJob({ name }: { name: string }) {
  const since = oldestQueuedAt.value.get(name) ?? null
  if (since === null) return null
  const waited = now.value - Date.parse(since)
  if (waited < LONG_WAIT_MS) return null
  return (
    <span class="dim" title={`The oldest job waits since ${timestamp(since)} UTC`}>
      {duration(waited)}
    </span>
  )
}

function Calls({ service }: CellProps) {
  const { callsPerS } = service.stats.value
  return <span class={callsPerS ? '' : 'dim'}>{rate(callsPerS ?? 0)}</span>
}

function P95({ service }: CellProps) {
  const { p95Ms } = service.stats.value
  return <span class={p95Ms === null ? 'dim' : ''}>{duration(p95Ms)}</span>
}

function Failed({ service }: CellProps) {
  const { callsPerS, jobsPerS, failedPerS } = service.stats.value
  const all = (callsPerS ?? 0) + (jobsPerS ?? 0)
  const share = all === 0 ? ((failedPerS ?? 0) > 0 ? 1 : null) : Math.min(1, (failedPerS ?? 0) / all)
  return <span class={share ? 'bad' : 'dim'}>{percent(share)}</span>
}

const MAX_DOTS = 8

function Restarts({ service }: CellProps) {
  const { count: restarts, max, remaining } = service.restarts.value
  const used = max - remaining
  const title = `${used} of ${max} restarts of its budget are used; ${restarts} in all`
  if (max > MAX_DOTS) return <span title={title}>{`${used}/${max}`}</span>
  return (
    <span
      class={`dots ${used === 0 ? 'dim' : remaining <= 1 ? 'bad' : 'warn'}`}
      role="img"
      aria-label={title}
      title={title}
    >
      {'●'.repeat(used)}
      {'○'.repeat(remaining)}
    </span>
  )
}

function Heap({ service }: CellProps) {
  const { heapBytes } = service.stats.value
  return <span class={heapBytes === 0 ? 'dim' : ''}>{heapBytes === 0 ? '–' : bytes(heapBytes)}</span>
}

function Actions({ service }: CellProps) {
  const names = (Object.keys(ACTIONS) as ActionName[]).filter((name) => !whyNot(name, service))
  return (
    <Menu
      kind="quiet"
      icon="more"
      label={`Actions on ${service.name}`}
      items={names.map((name) => {
        const { label, note, danger } = ACTIONS[name]
        const item = { label, note, run: () => act(name, service), scope: 'operate', service: service.name } as const
        return danger ? { ...item, danger } : item
      })}
    />
  )
}

const EXAMPLE = `import { defineService, method } from 'threadplane'
import { z } from 'zod'

export default defineService({
  methods: {
    greet: method({
      input: z.object({ name: z.string() }),
      handler: ({ name }) => ({ greeting: \`Hello, \${name}!\` }),
    }),
  },
})`

function NoServices() {
  return (
    <Empty title="No services yet">
      <p>
        Write this as <code>greeter.mjs</code> into the folder of services, and start the server again or register it.
        It appears here by itself.
      </p>
      <pre class="code">{EXAMPLE}</pre>
      <p>Register a module that is in the folder while the server runs:</p>
      <pre class="code">{`curl -X PUT ${location.origin}/v1/services/greeter \\
  -H 'content-type: application/json' -d '{"module": "greeter.mjs"}'`}</pre>
    </Empty>
  )
}
