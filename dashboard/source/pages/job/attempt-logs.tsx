/** What an attempt of a job has logged, as far as it is kept. */
import type { LogEnd, LogGap, LogLine } from '../../../../src/client/events.ts'
import { send } from '../../api/request.ts'
import { useResource } from '../../state/resource.ts'
import { clock } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'

/** What is shown in columns of its own, or is the same in all lines of the attempt. */
const KNOWN = new Set(['id', 'time', 'level', 'msg', 'service', 'thread', 'jobId', 'attempt', 'method'])

export function AttemptLogs({ id, attempt }: { id: string; attempt: number }) {
  const { data, error, reload } = useResource(
    async (signal) => {
      const path = `/v1/jobs/${encodeURIComponent(id)}/logs`
      const response = await send('GET', path, {
        query: { attempt },
        headers: { accept: 'application/x-ndjson' },
        signal,
      })
      return linesOf(await response.text())
    },
    [id, attempt],
  )
  if (error.value !== undefined) return <ProblemBox error={error.value} onRetry={reload} />
  if (data.value === undefined) return <p class="loading">Loading…</p>
  if (data.value.length === 0) return <p class="dim">It has logged nothing that is kept.</p>
  return (
    <ol class="attempt-log">
      {data.value.map((line) => (
        <li key={line.id} class={`level-${line.level}`}>
          <span class="dim">{clock(line.time)}</span> <b>{line.level}</b> <bdi>{line.msg}</bdi>{' '}
          <span class="dim">{fieldsOf(line)}</span>
        </li>
      ))}
    </ol>
  )
}

function linesOf(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine | LogGap | LogEnd)
    .filter((line) => 'msg' in line)
}

function fieldsOf(line: LogLine): string {
  const rest = Object.entries(line).filter(([name]) => !KNOWN.has(name))
  return rest.length === 0 ? '' : JSON.stringify(Object.fromEntries(rest)).slice(0, 1_000)
}
