/** One job: what happened to it, its payload, its result or why it failed, and what can be done about it. */
import { useSignal } from '@preact/signals'
import type { Job } from '../../../routes/schemas/job.ts'
import { isAbort, post, send } from '../api/request.ts'
import { JsonTree } from '../json/json-tree.tsx'
import { useKeys } from '../keys/keys.ts'
import { isFinished } from '../methods/job-facts.ts'
import { Progress } from '../methods/job-line.tsx'
import { JobProblem } from '../methods/job-problem.tsx'
import { MethodRunner } from '../methods/method-runner.tsx'
import { useJob } from '../methods/use-job.ts'
import { href, navigate } from '../router/router.ts'
import { whyRefused } from '../state/me.ts'
import { now } from '../state/now.ts'
import { type Resource, useResource } from '../state/resource.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { confirm, Dialog } from '../ui/dialog.tsx'
import { ago, duration, timestamp } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { notify, notifyError } from '../ui/toast.tsx'
import { AttemptLogs } from './job/attempt-logs.tsx'
import './job/job.css'
import { JobTimeline } from './job/job-timeline.tsx'
import { BULK, type BulkAction, changeOne } from './jobs/bulk.ts'

export function JobPage({ id = '' }: { id?: string }) {
  const resource = useJob(id)
  const { data, error, reload } = resource
  if (data.value === undefined) {
    return error.value === undefined ? (
      <p class="loading">Loading…</p>
    ) : (
      <ProblemBox error={error.value} onRetry={reload} />
    )
  }
  return <Shown job={data.value} resource={resource} />
}

interface Payload {
  value: unknown
  text: string
}

function Shown({ job, resource }: { job: Job; resource: Resource<Job> }) {
  const { id } = job
  const payload = useResource<Payload>(
    async (signal) => {
      const text = await (await send('GET', `/v1/jobs/${encodeURIComponent(id)}/payload`, { signal })).text()
      return { text, value: JSON.parse(text) as unknown }
    },
    [id],
  )
  return (
    <article class="job">
      <Head job={job} resource={resource} payload={payload} />
      {resource.error.value !== undefined && <ProblemBox error={resource.error.value} onRetry={resource.reload} />}
      <JobTimeline job={job} />
      <Facts job={job} />
      {job.error !== undefined && (
        <section>
          <h2>{isFinished(job) ? 'Why it failed' : 'Why the last attempt failed'}</h2>
          <JobProblem error={job.error} />
        </section>
      )}
      <div class="job-columns">
        <section>
          <h2>Payload</h2>
          <PayloadView payload={payload} id={id} />
        </section>
        <section>
          <h2>Result</h2>
          {'result' in job ? (
            <JsonTree value={job.result} name={`result-${id}`} />
          ) : (
            <p class="dim">{job.state === 'succeeded' ? 'It is not kept, or not for you to see.' : 'None.'}</p>
          )}
        </section>
      </div>
      <Attempts job={job} />
    </article>
  )
}

function PayloadView({ payload, id }: { payload: Resource<Payload>; id: string }) {
  const { data, error, reload } = payload
  if (error.value !== undefined) return <ProblemBox error={error.value} onRetry={reload} />
  if (data.value === undefined) return <p class="loading">Loading…</p>
  return <JsonTree value={data.value.value} name={`payload-${id}`} />
}

interface HeadProps {
  job: Job
  resource: Resource<Job>
  payload: Resource<Payload>
}

function Head({ job, resource, payload }: HeadProps) {
  const { id, service, method, state } = job
  const edits = useSignal(false)
  const can = (action: BulkAction) => BULK[action].states.includes(state)
  const act = async (action: BulkAction) => {
    const { verb } = BULK[action]
    if (!can(action)) return
    const refused = whyRefused(BULK[action].scope, service)
    if (refused !== undefined) return notify(`${verb}: ${refused}`, undefined, 'bad')
    if (action !== 'retry') {
      const text = action === 'delete' ? 'Its payload, result and logs are gone for good.' : runText(job)
      const title = `${verb} job ${id}?`
      if (!(await confirm({ title, text, action: `${verb} the job` }))) return
    }
    try {
      await changeOne(action, id)
      notify(action === 'retry' ? 'The job is queued again' : `${verb}: done`)
      if (action === 'delete') navigate('/jobs')
      else await resource.reload()
    } catch (error) {
      if (!isAbort(error)) notifyError(`${verb} was refused`, error)
    }
  }
  const runNow = async () => {
    try {
      await post(`/v1/jobs/${encodeURIComponent(id)}/run`)
      notify('The job waits for its turn, and for no time')
      await resource.reload()
    } catch (error) {
      if (!isAbort(error)) notifyError('Run now was refused', error)
    }
  }
  const why = (action: BulkAction) => !can(action) && `Applies to jobs that are ${BULK[action].states.join(', ')}`
  const whyNoEdit = payload.data.value === undefined && 'The payload cannot be read'
  useKeys([
    { key: 'r', label: 'Retry the job', run: () => act('retry') },
    { key: 'c', label: 'Cancel the job', run: () => act('cancel') },
    {
      key: 'u',
      label: 'Edit the payload and cast it again',
      run: () => {
        if (!whyNoEdit) edits.value = true
      },
    },
  ])
  return (
    <header class="job-head">
      <div>
        <h1>
          <span class="mono">{id}</span> <StateBadge state={state} />
        </h1>
        <p>
          <a href={href(`/services/${encodeURIComponent(service)}`)}>{service}</a>
          <span class="dim">.</span>
          <a href={href(`/jobs?service=${encodeURIComponent(service)}&method=${encodeURIComponent(method)}`)}>
            {method}
          </a>
          {job.schedule !== null && (
            <span class="dim">
              , cast by the schedule{' '}
              <a href={href(`/services/${encodeURIComponent(service)}?tab=schedules`)}>{job.schedule}</a>
            </span>
          )}{' '}
          <Progress job={job} />
        </p>
      </div>
      <div class="job-actions">
        <Button icon="reload" scope="operate" service={service} disabled={why('retry')} onClick={() => act('retry')}>
          Retry
        </Button>
        <Button
          icon="bolt"
          scope="enqueue"
          service={service}
          disabled={whyNoEdit}
          onClick={() => {
            edits.value = true
          }}
        >
          Edit and cast again
        </Button>
        {state === 'scheduled' && (
          <Button icon="play" scope="operate" service={service} onClick={runNow}>
            Run now
          </Button>
        )}
        {!isFinished(job) && (
          <Button icon="close" scope="enqueue" service={service} onClick={() => act('cancel')}>
            Cancel
          </Button>
        )}
        <Button icon="trash" scope="operate" service={service} disabled={why('delete')} onClick={() => act('delete')}>
          Delete
        </Button>
      </div>
      {edits.value && (
        <Dialog
          title={`Cast ${service}.${method} again`}
          size="large"
          onClose={() => {
            edits.value = false
          }}
        >
          <MethodRunner service={service} method={method} initial={{ value: payload.data.value?.value }} />
        </Dialog>
      )}
    </header>
  )
}

function runText({ state, attempts }: Job): string {
  return state === 'running'
    ? `Attempt ${attempts} is running: its handler gets an aborted signal. The job is not tried again.`
    : 'It has not begun, and never runs.'
}

function Facts({ job }: { job: Job }) {
  const { createdAt, startedAt, finishedAt, notBefore, expiresAt, priority, attempts, maxAttempts } = job
  const time = (at: string) => `${timestamp(at)} UTC, ${ago(at, now.value)}`
  const facts: [title: string, text: string | undefined][] = [
    ['Accepted', time(createdAt)],
    ['Started', startedAt === null ? undefined : time(startedAt)],
    ['Finished', finishedAt === null ? undefined : time(finishedAt)],
    ['Not before', notBefore === null || isFinished(job) ? undefined : time(notBefore)],
    ['Expires', expiresAt === null ? undefined : time(expiresAt)],
    ['Attempts', `${attempts} of ${maxAttempts}`],
    ['Priority', String(priority)],
  ]
  return (
    <dl class="job-facts">
      {facts.map(
        ([title, text]) =>
          text !== undefined && (
            <div key={title}>
              <dt>{title}</dt>
              <dd>{text}</dd>
            </div>
          ),
      )}
    </dl>
  )
}

function Attempts({ job }: { job: Job }) {
  const { id, history } = job
  if (history.length === 0) return null
  return (
    <section>
      <h2>Attempts</h2>
      {history.toReversed().map(({ number, startedAt, endedAt, error }, at) => (
        <details class="attempt" key={number} open={at === 0 && error !== undefined}>
          <summary>
            <span class={error === undefined ? (endedAt === undefined ? 'info' : 'good') : 'bad'}>
              {error === undefined ? (endedAt === undefined ? '●' : '✓') : '✕'} attempt {number}
            </span>
            <span class="dim">{timestamp(startedAt)}</span>
            <span class="dim">
              {endedAt === undefined ? 'running' : duration(Date.parse(endedAt) - Date.parse(startedAt))}
            </span>
            <code>{error && (error.reason ?? error.code)}</code>
          </summary>
          {error !== undefined && at > 0 && <JobProblem error={error} />}
          <h3>Logs</h3>
          <AttemptLogs id={id} attempt={number} />
        </details>
      ))}
    </section>
  )
}
