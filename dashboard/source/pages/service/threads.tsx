/** The threads of a service: how each is, their stacks, profiles and heap snapshots. */
import type { ServiceStatus } from '../../../../routes/schemas/service.ts'
import { href, path } from '../../router/router.ts'
import { now } from '../../state/now.ts'
import { StateBadge } from '../../ui/badge.tsx'
import { Bar } from '../../ui/bar.tsx'
import { ago, bytes, percent } from '../../ui/format.ts'
import { type Column, Table } from '../../ui/table.tsx'
import { Heap, Profile } from './recordings.tsx'
import { Stacks } from './stacks.tsx'

export type Thread = ServiceStatus['threads'][number]

const COLUMNS: Column<Thread>[] = [
  { key: 'id', title: 'Thread', cell: ({ id, node }) => `#${id}${node === undefined ? '' : ` on ${node}`}` },
  {
    key: 'state',
    title: 'State',
    cell: ({ state, draining, responsive }) => (
      <>
        <StateBadge state={state} />
        {draining && <span class="dim"> finishes what it has begun</span>}
        {!responsive && <span class="bad"> does not answer</span>}
      </>
    ),
  },
  {
    key: 'loop',
    title: 'Event loop',
    cell: ({ eventLoopUtilization: share }) => (
      <span class="queue">
        <Bar share={share} tone={share > 0.9 ? 'warn' : 'accent'} label={`busy for ${percent(share)} of the time`} />
        {percent(share)}
      </span>
    ),
  },
  { key: 'heap', title: 'Heap', align: 'end', width: '12%', cell: ({ heapUsedBytes }) => bytes(heapUsedBytes) },
  {
    key: 'started',
    title: 'Started',
    align: 'end',
    width: '14%',
    cell: ({ startedAt }) => <Started at={startedAt} />,
  },
  {
    key: 'logs',
    title: '',
    align: 'end',
    width: '70px',
    cell: ({ id }) => <a href={href(`${path.value}?tab=logs&thread=${id}`)}>Logs</a>,
  },
]

function Started({ at }: { at: string | null }) {
  return <>{at === null ? '–' : ago(at, now.value)}</>
}

export function ThreadsTab({ status }: { status: ServiceStatus }) {
  const { name, threads, stuck } = status
  return (
    <>
      {stuck > 0 && <p class="bad">{stuck} more do not end: they are blocked in native code.</p>}
      {threads.length === 0 ? (
        <p class="dim">No thread runs.</p>
      ) : (
        <Table label="Threads" columns={COLUMNS} rows={threads} keyOf={({ id, node }) => `${node ?? ''}${id}`} />
      )}
      <Stacks name={name} />
      <Profile name={name} threads={threads} />
      <Heap name={name} threads={threads} />
    </>
  )
}
