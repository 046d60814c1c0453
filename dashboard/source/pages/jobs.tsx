/** All jobs, newest first: filters in the address, rows that change in place, actions on chosen ones or on all. */
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { useKeys } from '../keys/keys.ts'
import { useEvents } from '../live/bus.ts'
import { navigate, query, setQuery } from '../router/router.ts'
import { whyRefused } from '../state/me.ts'
import { Button } from '../ui/button.tsx'
import { confirm } from '../ui/dialog.tsx'
import { Empty } from '../ui/empty.tsx'
import { count, plural } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { Table } from '../ui/table.tsx'
import { notify, notifyError } from '../ui/toast.tsx'
import { BULK, type BulkAction, type BulkFilter, changeEach } from './jobs/bulk.ts'
import { BulkDialog } from './jobs/bulk-dialog.tsx'
import { FilterBar } from './jobs/filter-bar.tsx'
import { FILTER_NAMES, filterOfQuery, filterText, type JobFilter, sinceTime } from './jobs/job-filter.ts'
import { COLUMNS } from './jobs/job-cells.tsx'
import { JobList } from './jobs/job-list.ts'
import './jobs/jobs.css'

export function JobsPage() {
  const filter = filterOfQuery(query.value)
  const version = useSignal(0)
  const list = useMemo(() => new JobList(filter), [filterText(filter), version.value])
  useEffect(() => () => list.stop(), [list])
  useEvents(
    ['job.*'],
    (event) => 'job' in event && list.take(event, event.at),
    () => {
      list.stale.value = true
    },
  )
  const chosen = useSignal<ReadonlySet<string>>(new Set())
  useEffect(() => {
    chosen.value = new Set()
  }, [list])
  const reload = () => {
    version.value++
  }
  useKeys([{ key: 'u', label: 'Show what is new', run: reload }])
  const isEmpty = list.rows.value.length === 0
  return (
    <>
      <h1 class="sr-only">Jobs</h1>
      <FilterBar filter={filter} onChange={changeFilter} />
      <Actions list={list} chosen={chosen.value} filter={filter} onChanged={reload} />
      <Fresh list={list} onShow={reload} />
      {!isEmpty && (
        <Table
          label="Jobs"
          columns={COLUMNS}
          rows={list.rows.value}
          keyOf={({ id }) => id}
          onOpen={({ id }) => navigate(`/jobs/${id}`)}
          chosen={chosen.value}
          onChoose={(keys) => {
            chosen.value = keys
          }}
          onEnd={list.more}
        />
      )}
      {list.error.value !== undefined && <ProblemBox error={list.error.value} onRetry={list.retry} />}
      {list.loading.value && <p class="loading">Loading…</p>}
      {isEmpty && !list.loading.value && list.error.value === undefined && (
        <NoJobs isFiltered={filterText(filter) !== ''} />
      )}
      {!isEmpty && list.complete.value && (
        <p class="list-foot dim">{plural(list.rows.value.length, 'job')}, no more.</p>
      )}
    </>
  )
}

function changeFilter(filter: JobFilter): void {
  setQuery(Object.fromEntries(FILTER_NAMES.map((name) => [name, filter[name]])))
}

function Fresh({ list, onShow }: { list: JobList; onShow: () => void }) {
  const number = list.fresh.value.size
  if (number === 0 && !list.stale.value) return null
  return (
    <div class="fresh">
      <Button kind="primary" onClick={onShow} hint="u">
        {number > 0 ? `↑ ${count(number)} new` : '↻ Events were missed: read again'}
      </Button>
    </div>
  )
}

interface ActionsProps {
  list: JobList
  chosen: ReadonlySet<string>
  filter: JobFilter
  onChanged: () => void
}

/** What can be done with the chosen jobs; while none is chosen, with all that match. */
function Actions({ list, chosen, filter, onChanged }: ActionsProps) {
  const dialog = useSignal<BulkAction | undefined>(undefined)
  const states = useComputed(() => new Map(list.rows.value.map(({ id, job }) => [id, job.value.state])))
  const idsFor = (action: BulkAction) =>
    [...chosen].filter((id) => BULK[action].states.includes(states.value.get(id) ?? ''))
  const names = Object.keys(BULK) as BulkAction[]
  const run = async (action: BulkAction) => {
    const ids = idsFor(action)
    const { verb, effect } = BULK[action]
    if (ids.length === 0) return
    const refused = whyRefused(BULK[action].scope, filter.service)
    if (refused !== undefined) return notify(`${verb}: ${refused}`, undefined, 'bad')
    const text = `${effect} ${action === 'retry' ? '' : 'This cannot be undone.'}`
    const what = `${verb} ${plural(ids.length, 'job')}`
    if (!(await confirm({ title: `${what}?`, text, action: what, danger: action !== 'retry' }))) return
    const { changed, errors } = await changeEach(action, ids)
    if (changed > 0) notify(`${verb}: ${plural(changed, 'job')}`)
    if (errors.length > 0) notifyError(`${plural(errors.length, 'job')} could not be changed`, errors[0])
    onChanged()
  }
  useKeys(
    chosen.size === 0
      ? []
      : [
          { key: 'r', label: 'Retry the chosen jobs', run: () => run('retry') },
          { key: 'c', label: 'Cancel the chosen jobs', run: () => run('cancel') },
        ],
  )
  const { state } = filter
  // A token that is narrowed to a service may act on the jobs of that service.
  const of = filter.service === undefined ? {} : { service: filter.service }
  return (
    <div class="bulk-bar" role="group" aria-label="Actions on jobs">
      {chosen.size > 0 ? (
        <>
          <strong>{count(chosen.size)} chosen</strong>
          {names.map((action) => {
            const { length } = idsFor(action)
            return (
              <Button
                key={action}
                scope={BULK[action].scope}
                {...of}
                kind={action === 'retry' ? 'primary' : 'plain'}
                disabled={length === 0 && `Applies to jobs that are ${BULK[action].states.join(', ')}`}
                onClick={() => run(action)}
              >
                {BULK[action].verb} {count(length)}
              </Button>
            )
          })}
          <span class="dim">or</span>
        </>
      ) : null}
      {names
        .filter((action) => state !== undefined && BULK[action].states.includes(state))
        .map((action) => (
          <Button
            key={`all ${action}`}
            scope="operate"
            {...of}
            kind="quiet"
            onClick={() => {
              dialog.value = action
            }}
          >
            {BULK[action].verb} all that match…
          </Button>
        ))}
      {state === undefined && chosen.size === 0 && (
        <span class="dim hint">Choose rows, or a state, to retry, cancel or delete many.</span>
      )}
      {dialog.value !== undefined && state !== undefined && (
        <BulkDialog
          action={dialog.value}
          filter={bulkFilter(filter, state)}
          onClose={() => {
            dialog.value = undefined
          }}
          onChanged={onChanged}
        />
      )}
    </div>
  )
}

function bulkFilter(filter: JobFilter, state: BulkFilter['state']): BulkFilter {
  const { since: _text, ...names } = filter
  const since = sinceTime(filter, Date.now())
  return { ...names, state, ...(since !== undefined && { since }) }
}

function NoJobs({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No job matches">
        <Button onClick={() => changeFilter({})}>Show all jobs</Button>
      </Empty>
    )
  }
  return (
    <Empty title="No jobs yet">
      <p>A cast makes a job: it is kept on disk, run by a thread, and tried again when it fails.</p>
      <pre class="code">threadplane cast &lt;service&gt; &lt;method&gt; &lt;payload&gt;</pre>
    </Empty>
  )
}
