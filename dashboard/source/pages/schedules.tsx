/** Schedules of all services, or of one: when each runs next, run it now, delete it; of one also: make another. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import type { Job } from '../../../routes/schemas/job.ts'
import type { ScheduleView } from '../../../routes/schemas/schedule.ts'
import { get, post, request } from '../api/request.ts'
import { lazy } from '../app/lazy.tsx'
import { useEvents } from '../live/bus.ts'
import { href } from '../router/router.ts'
import { now } from '../state/now.ts'
import { useResource } from '../state/resource.ts'
import { Button } from '../ui/button.tsx'
import { confirm } from '../ui/dialog.tsx'
import { Empty } from '../ui/empty.tsx'
import { ago, timestamp } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { type Column, Table } from '../ui/table.tsx'
import { notify, notifyError } from '../ui/toast.tsx'

const NewSchedule = lazy(async () => (await import('./service/new-schedule.tsx')).NewSchedule)

export function SchedulesPage() {
  return (
    <>
      <h1 class="sr-only">Schedules</h1>
      <ScheduleTable service={undefined} />
    </>
  )
}

/** @param service `undefined`: of all services */
export function ScheduleTable({ service }: { service: string | undefined }) {
  const schedules = useResource((signal) => read(service, signal), [service])
  useEvents(
    ['schedule.*'],
    (event) => 'service' in event && event.service === (service ?? event.service) && void schedules.reload(),
    () => void schedules.reload(),
  )
  if (schedules.error.value !== undefined)
    return <ProblemBox error={schedules.error.value} onRetry={schedules.reload} />
  const rows = schedules.data.value
  if (rows === undefined) return <p class="loading">Loading…</p>
  const adds = service !== undefined && <AddSchedule service={service} rows={rows} />
  if (rows.length === 0) return <NoSchedules service={service}>{adds}</NoSchedules>
  const columns: Column<ScheduleView>[] = [
    { key: 'name', title: 'Name', cell: ({ name }) => <strong title={name}>{name}</strong> },
    {
      key: 'method',
      title: 'Casts',
      width: '20%',
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
      key: 'cron',
      title: 'When',
      width: '18%',
      cell: ({ cron, timezone }) => (
        <span title={`${cron} ${timezone}`}>
          <code>{cron}</code> <span class="dim">{timezone}</span>
        </span>
      ),
    },
    { key: 'next', title: 'Next', width: '17%', cell: (schedule) => <Next schedule={schedule} /> },
    {
      key: 'last',
      title: 'Last',
      width: '14%',
      cell: ({ lastRunAt, service, method }) =>
        lastRunAt === null ? (
          <span class="dim">never</span>
        ) : (
          <a
            href={href(`/jobs?service=${encodeURIComponent(service)}&method=${encodeURIComponent(method)}`)}
            title={`${timestamp(lastRunAt)} UTC: the jobs of this method`}
          >
            {ago(lastRunAt, now.value)}
          </a>
        ),
    },
    {
      key: 'actions',
      title: '',
      width: '176px',
      align: 'end',
      cell: (schedule) => <Actions schedule={schedule} onDone={schedules.reload} />,
    },
  ]
  return (
    <>
      {adds && <div class="toolbar">{adds}</div>}
      <Table label="Schedules" columns={columns} rows={rows} keyOf={({ service, name }) => `${service}/${name}`} />
    </>
  )
}

function AddSchedule({ service, rows }: { service: string; rows: readonly ScheduleView[] }) {
  const isOpen = useSignal(false)
  const open = (to: boolean) => () => {
    isOpen.value = to
  }
  return (
    <>
      <Button icon="clock" scope="operate" service={service} onClick={open(true)}>
        New schedule
      </Button>
      {isOpen.value && <NewSchedule service={service} names={rows.map(({ name }) => name)} onClose={open(false)} />}
    </>
  )
}

function Next({ schedule: { nextRunAt, error } }: { schedule: ScheduleView }) {
  if (error !== null) return <span class="bad" title={error.message}>{`${error.code}: ${error.message}`}</span>
  if (nextRunAt === null) return <span class="dim">no further time</span>
  return <span title={`${timestamp(nextRunAt)} UTC`}>{ago(nextRunAt, now.value)}</span>
}

function Actions({ schedule, onDone }: { schedule: ScheduleView; onDone: () => unknown }) {
  const { service, name, method } = schedule
  const url = `/v1/services/${encodeURIComponent(service)}/schedules/${encodeURIComponent(name)}`
  const run = async () => {
    try {
      const job = await post<Job>(`${url}/run`)
      notify(`${name} cast a job`, job.id)
    } catch (error) {
      notifyError(`${name} could not be run`, error)
    }
  }
  const remove = async () => {
    const isSure = await confirm({
      title: `Delete the schedule ${name} of ${service}?`,
      text: `${service}.${method} is not cast by it any more. Its jobs stay: those that run finish, and those that wait run.`,
      action: 'Delete the schedule',
    })
    if (!isSure) return
    try {
      await request('DELETE', url)
      notify(`${name} deleted`)
      await onDone()
    } catch (error) {
      notifyError(`${name} could not be deleted`, error)
    }
  }
  return (
    <span class="row-actions">
      <Button scope="operate" service={service} icon="play" onClick={run}>
        Run now
      </Button>
      <Button kind="quiet" scope="operate" service={service} icon="trash" label={`Delete ${name}`} onClick={remove} />
    </span>
  )
}

/** The schedules of one service, or of all. */
async function read(service: string | undefined, signal: AbortSignal): Promise<ScheduleView[]> {
  const url = service === undefined ? '/v1/schedules' : `/v1/services/${encodeURIComponent(service)}/schedules`
  return (await get<{ items: ScheduleView[] }>(url, { signal })).items
}

function NoSchedules({ service, children }: { service: string | undefined; children: ComponentChildren }) {
  return (
    <Empty title="No schedules">
      <p>A schedule casts a job at the times of a cron expression:</p>
      <pre class="code">{`curl -X PUT ${location.origin}/v1/services/${service ?? 'markdown'}/schedules/nightly \\
  -H 'content-type: application/json' \\
  -d '{"cron": "0 3 * * *", "timezone": "UTC", "method": "…", "payload": {}}'`}</pre>
      {children}
    </Empty>
  )
}
