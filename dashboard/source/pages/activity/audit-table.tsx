/** The audit, newest first, a page at a time. Only for administrators. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { AuditList } from '../../../../routes/schemas/audit.ts'
import { get } from '../../api/request.ts'
import { href, query, setQuery } from '../../router/router.ts'
import { may } from '../../state/me.ts'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { timestamp } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { type Column, Table } from '../../ui/table.tsx'

type Row = AuditList['items'][number]

const COLUMNS: Column<Row>[] = [
  { key: 'at', title: 'Time (UTC)', width: '16%', cell: ({ at }) => timestamp(at) },
  { key: 'who', title: 'Who', width: '14%', cell: ({ token, via }) => token ?? <span class="dim">{via}</span> },
  { key: 'action', title: 'Action', cell: ({ action }) => action },
  {
    key: 'service',
    title: 'Service',
    width: '16%',
    cell: ({ service }) =>
      service === null ? '–' : <a href={href(`/services/${encodeURIComponent(service)}`)}>{service}</a>,
  },
  {
    key: 'target',
    title: 'Of what',
    width: '16%',
    cell: ({ target }) => <span title={target ?? ''}>{target ?? '–'}</span>,
  },
  {
    key: 'outcome',
    title: 'Outcome',
    width: '14%',
    cell: ({ outcome, code }) => (
      <span title={code ?? ''}>
        <Badge tone={outcome === 'ok' ? 'good' : outcome === 'refused' ? 'bad' : 'warn'}>{outcome}</Badge>
        {code !== null && <span class="dim"> {code}</span>}
      </span>
    ),
  },
  {
    key: 'address',
    title: 'From',
    width: '12%',
    wideOnly: true,
    cell: ({ address }) => <span class="dim">{address}</span>,
  },
]

export function AuditTable() {
  const service = query.value.get('service') ?? ''
  const token = query.value.get('token') ?? ''
  const rows = useSignal<readonly Row[] | undefined>(undefined)
  const cursor = useSignal<string | null>(null)
  const error = useSignal<unknown>(undefined)
  const isAllowed = may('admin')
  const read = async (after?: string) => {
    try {
      const page = await get<AuditList>('/v1/audit', { query: { service, token, cursor: after } })
      rows.value = after === undefined ? page.items : [...(rows.value ?? []), ...page.items]
      cursor.value = page.nextCursor
      error.value = undefined
    } catch (reason) {
      error.value = reason
    }
  }
  useEffect(() => {
    if (isAllowed) void read()
  }, [service, token, isAllowed])
  if (!isAllowed) return <Empty title="The audit needs the scope admin" />
  return (
    <>
      <div class="toolbar">
        <Filter name="service" label="Service" value={service} />
        <Filter name="token" label="Token" value={token} />
        <Button icon="reload" onClick={() => read()}>
          Read again
        </Button>
      </div>
      {error.value !== undefined && <ProblemBox error={error.value} onRetry={() => read()} />}
      {rows.value === undefined ? (
        error.value === undefined && <p class="loading">Loading…</p>
      ) : rows.value.length === 0 ? (
        <Empty title="No rows">
          <p>Changes and refusals of the last 30 days are here. Reads, calls and casts are not.</p>
        </Empty>
      ) : (
        <Table
          label="Audit"
          columns={COLUMNS}
          rows={rows.value}
          keyOf={({ requestId, action }) => requestId + action}
          onEnd={() => cursor.value !== null && void read(cursor.value)}
        />
      )}
    </>
  )
}

function Filter({ name, label, value }: { name: string; label: string; value: string }) {
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={label}
      defaultValue={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
    />
  )
}
