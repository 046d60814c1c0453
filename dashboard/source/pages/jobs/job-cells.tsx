/** The cells of a row of jobs. Each reads the signal of its row, so that an event draws one row. */
import { href } from '../../router/router.ts'
import { shortId } from '../../methods/job-facts.ts'
import { now } from '../../state/now.ts'
import { StateBadge } from '../../ui/badge.tsx'
import { Bar } from '../../ui/bar.tsx'
import { ago, duration, percent, timestamp } from '../../ui/format.ts'
import type { Column } from '../../ui/table.tsx'
import type { JobRow } from './job-list.ts'

type CellProps = { row: JobRow }

export const COLUMNS: Column<JobRow>[] = [
  { key: 'id', title: 'Job', width: '132px', cell: (row) => <Id row={row} /> },
  { key: 'state', title: 'State', width: '118px', cell: (row) => <State row={row} /> },
  { key: 'service', title: 'Service', width: '16%', cell: (row) => <ServiceName row={row} /> },
  { key: 'method', title: 'Method', width: '16%', cell: (row) => <Text>{row.job.value.method}</Text> },
  { key: 'attempts', title: 'Attempts', width: '76px', align: 'end', cell: (row) => <Attempts row={row} /> },
  { key: 'created', title: 'Accepted', width: '92px', align: 'end', cell: (row) => <Accepted row={row} /> },
  { key: 'took', title: 'Ran for', width: '84px', align: 'end', cell: (row) => <Took row={row} /> },
  { key: 'note', title: '', cell: (row) => <Note row={row} /> },
]

function Id({ row: { id } }: CellProps) {
  return (
    <a class="mono" href={href(`/jobs/${id}`)} title={id}>
      {shortId(id)}
    </a>
  )
}

function State({ row }: CellProps) {
  return <StateBadge state={row.job.value.state} />
}

function ServiceName({ row }: CellProps) {
  const { service } = row.job.value
  return (
    <a href={href(`/services/${encodeURIComponent(service)}`)} title={service}>
      {service}
    </a>
  )
}

function Text({ children }: { children: string }) {
  return <span title={children}>{children}</span>
}

function Attempts({ row }: CellProps) {
  const { attempts, maxAttempts } = row.job.value
  return (
    <span class={attempts > 1 ? 'warn' : attempts === 0 ? 'dim' : ''}>
      {attempts}/{maxAttempts}
    </span>
  )
}

function Accepted({ row }: CellProps) {
  const { createdAt } = row.job.value
  return <span title={timestamp(createdAt)}>{ago(createdAt, now.value)}</span>
}

function Took({ row }: CellProps) {
  const { startedAt, finishedAt, state } = row.job.value
  if (startedAt === null) return <span class="dim">–</span>
  if (finishedAt !== null) return <>{duration(Date.parse(finishedAt) - Date.parse(startedAt))}</>
  if (state !== 'running') return <span class="dim">–</span>
  return <span class="info">{duration(Math.max(0, now.value - Date.parse(startedAt)))}</span>
}

/** Why it failed, how far it is, or when it begins. */
function Note({ row }: CellProps) {
  const { error, progress, state, notBefore } = row.job.value
  if (state === 'running' && progress !== null) {
    const text = percent(progress.fraction)
    return (
      <span class="job-progress">
        <Bar share={progress.fraction} label={text} /> {text}{' '}
        <span class="dim note" title={progress.note}>
          {progress.note}
        </span>
      </span>
    )
  }
  if (state === 'scheduled' && notBefore !== null) return <span class="dim">{ago(notBefore, now.value)}</span>
  if (error === undefined || state === 'succeeded') return null
  const { reason, code, cause, message } = error
  const text = cause === undefined ? `${reason ?? code}: ${message}` : `${cause.name}: ${cause.message}`
  return (
    <span class="dim" title={text}>
      <bdi>{text}</bdi>
    </span>
  )
}
