/** The server itself: its nodes, its health and figures, who is signed in, and its log. */
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import type { NodeView } from '../../../routes/schemas/node.ts'
import { get, post, send, urlOf } from '../api/request.ts'
import { serverVersion } from '../live/live.ts'
import { LogView } from '../logs/log-view.tsx'
import { may, me } from '../state/me.ts'
import { now } from '../state/now.ts'
import { jobCounts } from '../state/overview.ts'
import { useResource } from '../state/resource.ts'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { confirm } from '../ui/dialog.tsx'
import { ago, bytes, count, duration, plural, timestamp } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { type Column, Table } from '../ui/table.tsx'
import { notify, notifyError } from '../ui/toast.tsx'
import './system.css'

const EVERY_MS = 10_000

export function SystemPage() {
  return (
    <div class="system">
      <h1 class="sr-only">System</h1>
      <div class="facts-grid">
        <Health />
        <Figures />
        <Me />
      </div>
      <Nodes />
      {may('logs') && (
        <section>
          <h2>Log of the server and of all services</h2>
          <LogView path="/v1/logs" showService />
        </section>
      )}
    </div>
  )
}

interface Ready {
  status: string
  checks?: { name: string; ok: boolean; detail?: string }[]
}

function Health() {
  const health = useResource(
    // 503 has the same body.
    async (signal) => {
      const response = await fetch(urlOf('/readyz', { verbose: true }), { signal })
      return (await response.json()) as Ready
    },
    [],
  )
  useEvery(health.reload)
  const checks = health.data.value?.checks ?? []
  return (
    <section>
      <h2>Health</h2>
      <dl class="facts">
        <Fact name="Version">{serverVersion.value ?? '–'}</Fact>
        {checks.map(({ name, ok, detail }) => (
          <Fact key={name} name={NAMES[name] ?? name}>
            <Badge tone={ok ? 'good' : 'bad'}>{ok ? 'ok' : 'not ok'}</Badge>
            {detail && <span class="dim"> {detail}</span>}
          </Fact>
        ))}
        <Fact name="Documentation">
          <a href={urlOf('/docs')}>API</a> · <a href={urlOf('/openapi.json')}>openapi.json</a>
        </Fact>
      </dl>
    </section>
  )
}

const NAMES: Record<string, string> = {
  open: 'Accepts work',
  takesWork: 'Takes work of the cluster',
  journal: 'Journal',
}

/** Metrics without labels that are shown, and how. */
const FIGURES: [metric: string, title: string, show: (value: number) => string][] = [
  ['process_resident_memory_bytes', 'Memory of the process', bytes],
  ['nodejs_eventloop_lag_p99_seconds', 'Loop of the control thread, p99', (value) => duration(value * 1_000)],
  ['threadplane_journal_waiting', 'Waits for the journal', count],
  ['threadplane_journal_file_bytes', 'Journal on disk', bytes],
  ['threadplane_event_streams', 'Open streams of events', count],
]

function Figures() {
  const isAllowed = may('metrics')
  const metrics = useResource(
    async (signal) => (isAllowed ? readMetrics(await (await send('GET', '/metrics', { signal })).text()) : new Map()),
    [isAllowed],
  )
  useEvery(metrics.reload)
  const total = jobCounts.value?.total
  return (
    <section>
      <h2>Figures</h2>
      <dl class="facts">
        {FIGURES.map(([metric, title, show]) => {
          const value = metrics.data.value?.get(metric) as number | undefined
          return value === undefined ? null : (
            <Fact key={metric} name={title}>
              {show(value)}
            </Fact>
          )
        })}
        {!isAllowed && <Fact name="Figures of the process">need the scope metrics</Fact>}
        {total && (
          <Fact name="Jobs">
            {Object.entries(total)
              .filter(([, number]) => number > 0)
              .map(([state, number]) => `${count(number)} ${state}`)
              .join(', ') || 'none'}
          </Fact>
        )}
      </dl>
    </section>
  )
}

/** Lines of the text format without labels: name → value. */
function readMetrics(text: string): Map<string, number> {
  const lines = text.matchAll(/^([a-z_0-9]+) (\S+)$/gm)
  return new Map([...lines].map(([, name = '', value]) => [name, Number(value)]))
}

function Me() {
  const who = me.value
  if (!who) return null
  return (
    <section>
      <h2>Me</h2>
      <dl class="facts">
        <Fact name="Token">{who.token ?? 'none is asked for'}</Fact>
        <Fact name="May">{who.scopes.join(', ')}</Fact>
        <Fact name="Until">{who.expiresAt === null ? 'no end' : `${timestamp(who.expiresAt)} UTC`}</Fact>
      </dl>
    </section>
  )
}

function Nodes() {
  const nodes = useResource(
    (signal) => get<{ items: NodeView[] }>('/v1/nodes', { signal }).then(({ items }) => items),
    [],
  )
  useEvery(nodes.reload)
  const items = nodes.data.value
  if (items === undefined) {
    return nodes.error.value === undefined ? null : <ProblemBox error={nodes.error.value} onRetry={nodes.reload} />
  }
  const columns: Column<NodeView>[] = [
    {
      key: 'name',
      title: 'Node',
      cell: ({ name, self }) => (
        <>
          <strong>{name}</strong> {self && <span class="dim">answers here</span>}
        </>
      ),
    },
    {
      key: 'state',
      title: 'State',
      width: '14%',
      cell: ({ draining }) => <Badge tone={draining ? 'warn' : 'good'}>{draining ? 'draining' : 'takes work'}</Badge>,
    },
    { key: 'version', title: 'Version', width: '10%', cell: ({ version }) => version },
    {
      key: 'started',
      title: 'Started',
      width: '14%',
      cell: ({ startedAt }) => <Ago time={startedAt} />,
    },
    {
      key: 'services',
      title: 'Services',
      width: '18%',
      cell: ({ services }) => {
        const differs = services.filter((service) => service.differs).map(({ name }) => name)
        return (
          <>
            {plural(services.length, 'service')}
            {differs.length > 0 && (
              <span class="warn" title={differs.join(', ')}>
                {' '}
                {differs.length} with other code
              </span>
            )}
          </>
        )
      },
    },
    {
      key: 'labels',
      title: 'Labels',
      width: '14%',
      wideOnly: true,
      cell: ({ labels }) =>
        Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(', ') || '–',
    },
    {
      key: 'drain',
      title: '',
      width: '90px',
      align: 'end',
      cell: (node) => (
        <Button
          scope="operate"
          disabled={(node.draining && 'It drains already') || (items.length < 2 && 'No other node could take its work')}
          onClick={() => drain(node, nodes.reload)}
        >
          Drain
        </Button>
      ),
    },
  ]
  return (
    <section>
      <h2>{plural(items.length, 'node')}</h2>
      <Table label="Nodes" columns={columns} rows={items} keyOf={({ id }) => id} />
    </section>
  )
}

async function drain({ id, name, services }: NodeView, onDone: () => unknown): Promise<void> {
  const isSure = await confirm({
    title: `Give ${name} no new work?`,
    text: `What has begun on its ${plural(services.length, 'service')} runs to its end. Jobs that have not begun go to other nodes, and so do calls. Only a new start of its server ends that.`,
    action: `Drain ${name}`,
  })
  if (!isSure) return
  try {
    await post(`/v1/nodes/${encodeURIComponent(id)}/drain`)
    notify(`${name} takes no new work`)
    await onDone()
  } catch (error) {
    notifyError(`${name} could not be drained`, error)
  }
}

function Ago({ time }: { time: string }) {
  return <span title={`${timestamp(time)} UTC`}>{ago(time, now.value)}</span>
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** Reads again every 10 s while the tab is in sight. */
function useEvery(read: () => unknown): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) read()
    }, EVERY_MS)
    return () => clearInterval(timer)
  }, [read])
}
