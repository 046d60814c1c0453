/** A job in one line that follows it: state, progress, attempt, time; and, under it, how it has ended. */
import { computed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { Job } from '../../../routes/schemas/job.ts'
import { JsonTree } from '../json/json-tree.tsx'
import { href } from '../router/router.ts'
import { now } from '../state/now.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Bar } from '../ui/bar.tsx'
import { duration, percent } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { isFinished, shortId } from './job-facts.ts'
import { JobProblem } from './job-problem.tsx'
import { useJob } from './use-job.ts'

export function JobLine({ id }: { id: string }) {
  const { data, error } = useJob(id)
  const job = data.value
  if (job === undefined)
    return error.value === undefined ? <p class="loading">Loading…</p> : <ProblemBox error={error.value} />
  return (
    <div class="job-result">
      <div class="job-line">
        <a href={href(`/jobs/${id}`)} title={id}>
          job {shortId(id)}
        </a>
        <StateBadge state={job.state} />
        <Progress job={job} />
        <span class="dim">
          attempt {job.attempts}/{job.maxAttempts}
        </span>
        <Elapsed job={job} />
      </div>
      {job.error !== undefined && isFinished(job) && <JobProblem error={job.error} />}
      {'result' in job && <JsonTree value={job.result} name={`job-${id}`} />}
    </div>
  )
}

export function Progress({ job: { progress, state } }: { job: Job }) {
  if (progress === null || state !== 'running') return null
  const text = percent(progress.fraction)
  return (
    <span class="job-progress">
      <Bar share={progress.fraction} label={text} /> {text} <span class="dim">{progress.note}</span>
    </span>
  )
}

/** How long it runs, or has run. Only this is drawn each second. */
function Elapsed({ job }: { job: Job }) {
  const { startedAt, finishedAt } = job
  const text = useMemo(
    () =>
      computed(() => {
        if (startedAt === null) return ''
        const end = finishedAt === null ? Math.max(now.value, Date.parse(startedAt)) : Date.parse(finishedAt)
        return duration(end - Date.parse(startedAt))
      }),
    [startedAt, finishedAt],
  )
  return <span class="dim">{text}</span>
}
