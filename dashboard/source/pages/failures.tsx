/** Failed jobs, grouped by their errors: how many, since when, an example, and a retry of all of a group. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Failure } from '../../../routes/schemas/failure.ts'
import { get } from '../api/request.ts'
import { useEvents } from '../live/bus.ts'
import { shortId } from '../methods/job-facts.ts'
import { href, navigate, query, setQuery } from '../router/router.ts'
import { now } from '../state/now.ts'
import { useResource } from '../state/resource.ts'
import { Button } from '../ui/button.tsx'
import { Empty } from '../ui/empty.tsx'
import { ago, count, plural, timestamp } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { type Column, Table } from '../ui/table.tsx'
import type { BulkAction } from './jobs/bulk.ts'
import { BulkDialog } from './jobs/bulk-dialog.tsx'
import './jobs/jobs.css'
import './failures/failures.css'

/** Groups that the server sends at most. */
const LIMIT = 1_000
/** Failures come in floods: so long after one, the groups are read again. */
const AFTER_FAILURE_MS = 2_000

export function FailuresPage() {
  const service = query.value.get('service') ?? ''
  const words = (query.value.get('q') ?? '').toLowerCase()
  const failures = useResource(
    (signal) => get<{ items: Failure[] }>('/v1/failures', { query: { service, limit: LIMIT }, signal }),
    [service],
  )
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEvents(
    ['job.failed', 'job.deleted'],
    () => {
      timer.current ??= setTimeout(() => {
        timer.current = undefined
        void failures.reload()
      }, AFTER_FAILURE_MS)
    },
    () => void failures.reload(),
  )
  useEffect(() => () => clearTimeout(timer.current), [])
  const dialog = useSignal<{ action: BulkAction; group: Failure } | undefined>(undefined)
  const { data, error, reload } = failures
  if (data.value === undefined) {
    return error.value === undefined ? (
      <p class="loading">Loading…</p>
    ) : (
      <ProblemBox error={error.value} onRetry={reload} />
    )
  }
  const { items } = data.value
  const shown = items.filter((group) =>
    `${group.service}.${group.method} ${group.code} ${group.name} ${group.message}`.toLowerCase().includes(words),
  )
  const jobs = shown.reduce((sum, group) => sum + group.count, 0)
  const ask = (action: BulkAction, group: Failure) => {
    dialog.value = { action, group }
  }
  return (
    <>
      <h1 class="sr-only">Failures</h1>
      {error.value !== undefined && <ProblemBox error={error.value} onRetry={reload} />}
      {items.length === 0 && service === '' ? (
        <Empty title="No failed jobs">Jobs whose last attempt failed are grouped here by their errors.</Empty>
      ) : (
        <>
          <div class="toolbar">
            <input
              type="search"
              aria-label="Filter failures"
              placeholder="Filter by service or error  /"
              value={query.value.get('q') ?? ''}
              onInput={({ currentTarget }) => setQuery({ q: currentTarget.value })}
              onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
            />
            {service !== '' && (
              <button
                type="button"
                class="filter-chip"
                aria-label="Do not filter by service"
                onClick={() => setQuery({ service: undefined })}
              >
                <span class="dim">service</span> {service} <span aria-hidden="true">×</span>
              </button>
            )}
            <span class="dim">
              {plural(jobs, 'failed job')} in {plural(shown.length, 'group')}
              {items.length === LIMIT && ', and older ones that are not shown'}
            </span>
          </div>
          {shown.length === 0 ? (
            <Empty title="No failure matches">
              <Button onClick={() => setQuery({ q: undefined, service: undefined })}>Show all failures</Button>
            </Empty>
          ) : (
            <Table
              label="Failures"
              columns={columns(ask)}
              rows={shown}
              keyOf={keyOf}
              onOpen={(group) => navigate(jobsOf(group))}
              rowClass={() => 'failure'}
            />
          )}
        </>
      )}
      {dialog.value !== undefined && (
        <BulkDialog
          action={dialog.value.action}
          filter={filterOf(dialog.value.group)}
          subject={`${dialog.value.group.name ?? dialog.value.group.code}: ${dialog.value.group.message}`}
          onClose={() => {
            dialog.value = undefined
          }}
          onChanged={() => void reload()}
        />
      )}
    </>
  )
}

const keyOf = ({ service, method, key }: Failure) => `${service} ${method} ${key}`

/** The list of the jobs of a group. */
function jobsOf({ service, method, key }: Failure): string {
  return `/jobs?${new URLSearchParams({ state: 'failed', service, method, errorKey: key })}`
}

function filterOf({ service, method, key }: Failure) {
  return { state: 'failed', service, method, errorKey: key } as const
}

function columns(ask: (action: BulkAction, group: Failure) => void): Column<Failure>[] {
  return [
    {
      key: 'error',
      title: 'Error',
      cell: ({ code, name, message }) => (
        <div class="failure-error" title={message}>
          <strong>{name ?? code}</strong> {name !== null && <code class="dim">{code}</code>}
          <p>
            <bdi>{message}</bdi>
          </p>
        </div>
      ),
    },
    {
      key: 'method',
      title: 'Method',
      width: '18%',
      cell: ({ service, method }) => (
        <a
          href={href(`/services/${encodeURIComponent(service)}?tab=methods&method=${encodeURIComponent(method)}`)}
          title={`${service}.${method}`}
        >
          {service}.{method}
        </a>
      ),
    },
    {
      key: 'count',
      title: 'Jobs',
      width: '72px',
      align: 'end',
      cell: (group) => (
        <a href={href(jobsOf(group))} title="The jobs that failed so">
          <b>{count(group.count)}</b>
        </a>
      ),
    },
    { key: 'first', title: 'First', width: '96px', align: 'end', cell: ({ firstAt }) => <Ago at={firstAt} /> },
    { key: 'last', title: 'Last', width: '96px', align: 'end', cell: ({ lastAt }) => <Ago at={lastAt} /> },
    {
      key: 'sample',
      title: 'Newest job',
      width: '130px',
      cell: ({ sampleJobId }) => (
        <a class="mono" href={href(`/jobs/${sampleJobId}`)} title={sampleJobId}>
          {shortId(sampleJobId)}
        </a>
      ),
    },
    {
      key: 'actions',
      title: '',
      width: '196px',
      align: 'end',
      cell: (group) => (
        <span class="failure-actions">
          <Button icon="reload" scope="operate" service={group.service} onClick={() => ask('retry', group)}>
            Retry {count(group.count)}
          </Button>
          <Button
            icon="trash"
            label={`Delete ${group.count} jobs`}
            scope="operate"
            service={group.service}
            onClick={() => ask('delete', group)}
          />
        </span>
      ),
    },
  ]
}

function Ago({ at }: { at: string }) {
  return <span title={`${timestamp(at)} UTC`}>{ago(at, now.value)}</span>
}
