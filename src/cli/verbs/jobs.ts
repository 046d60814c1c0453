/** Verbs that list, show, wait for and change jobs. */
import type { Failure } from '../../../routes/schemas/failure.ts'
import type { JobCounts } from '../../../routes/schemas/job-counts.ts'
import type { Job } from '../../../routes/schemas/job.ts'
import { JOB_STATES, type JobState } from '../../contract/states.ts'
import { UsageError } from '../exit-codes.ts'
import { durationMs, wholeNumber } from '../input/numbers.ts'
import { jobColumns, jobView } from '../output/job-view.ts'
import type { Column } from '../output/table.ts'
import { distance } from '../output/units.ts'
import { route, type Session } from '../session.ts'
import { textOf, type Verb, type VerbOptions } from '../verb.ts'
import { waitForJob } from '../wait-for-job.ts'
import { watch } from '../watch.ts'

const STATES = JOB_STATES.join(', ')

async function list(session: Session, service: string | undefined, options: VerbOptions): Promise<string> {
  const limit = textOf(options, 'limit')
  const answer = await session.get<{ items: Job[]; nextCursor: string | null }>('/v1/jobs', {
    service,
    state: stateOf(options),
    method: textOf(options, 'method'),
    errorKey: textOf(options, 'key'),
    ...acceptedOf(options),
    cursor: textOf(options, 'cursor'),
    limit: limit === undefined ? 20 : wholeNumber('--limit', limit),
  })
  const { nextCursor } = answer.body
  const text = await session.print.list(answer, { columns: jobColumns, nameOf: ({ id }) => id, none: 'no jobs' })
  if (nextCursor !== null && session.print.isForPersons) session.print.note(`more: --cursor ${nextCursor}`)
  return text
}

function stateOf(options: VerbOptions): JobState | undefined {
  const text = textOf(options, 'state')
  if (text === undefined) return undefined
  const state = JOB_STATES.find((state) => state === text)
  if (state === undefined) throw new UsageError(`--state is ${JSON.stringify(text)}: it must be one of ${STATES}`)
  return state
}

/** The times of acceptance that the options choose. */
function acceptedOf(options: VerbOptions): { since?: string; before?: string } {
  const ago = (flag: string, name: string) => {
    const text = textOf(options, name)
    return text === undefined ? undefined : new Date(Date.now() - durationMs(flag, text)).toISOString()
  }
  const [since, before] = [ago('--since', 'since'), ago('--older-than', 'olderThan')]
  return { ...(since !== undefined && { since }), ...(before !== undefined && { before }) }
}

type Counts = JobCounts['items'][number]

const countColumns: Column<Counts>[] = [
  { title: 'SERVICE', rank: 0, value: ({ service }) => service },
  ...JOB_STATES.map(
    (state, at): Column<Counts> => ({
      title: state.toUpperCase(),
      rank: JOB_STATES.length - at,
      align: 'right',
      value: ({ counts }) => String(counts[state]),
    }),
  ),
  {
    title: 'OLDEST',
    rank: 1,
    align: 'right',
    value: ({ oldestQueuedAt }) => (oldestQueuedAt === null ? '–' : distance(oldestQueuedAt)),
  },
]

async function changeOne(session: Session, action: 'retry' | 'run' | 'cancel', id: string): Promise<void> {
  const answer = await session.request<Job>('POST', route`/v1/jobs/${id}/${action}`)
  const lines = ({ id, state }: Job) => [`${id} is ${state}`]
  await session.print.write(session.print.one(answer, { lines, nameOf: ({ id }) => id }))
}

/** Changes one job, or all that the options choose. */
async function change(
  session: Session,
  action: 'retry' | 'cancel',
  id: string | undefined,
  options: VerbOptions,
): Promise<void> {
  const { print } = session
  if (!options.all) {
    if (id === undefined) throw new UsageError('name a job, or use --all')
    return changeOne(session, action, id)
  }
  if (id !== undefined) throw new UsageError('--all does not go with a job')
  const filter = filterOf(action, options)
  const count = (dryRun: boolean) =>
    session.request<{ matched: number; changed: number; remaining: number }>('POST', '/v1/jobs/bulk', {
      body: { action, filter, dryRun },
    })
  const { body } = await count(true)
  await session.confirm(`${action} ${body.matched} ${filter.state} jobs`)
  const answer = await count(false)
  const lines = ({ changed, remaining }: typeof answer.body) => [
    `${changed} jobs changed${remaining === 0 ? '' : `, ${remaining} remain: repeat the command`}`,
  ]
  await print.write(print.one(answer, { lines, nameOf: ({ changed }) => String(changed) }))
}

interface Filter {
  service?: string
  method?: string
  state: JobState
  errorKey?: string
  since?: string
  before?: string
}

function filterOf(action: 'retry' | 'cancel', options: VerbOptions): Filter {
  const [service, method, errorKey] = ['service', 'method', 'key'].map((name) => textOf(options, name))
  return {
    state: stateOf(options) ?? (action === 'retry' ? 'failed' : 'queued'),
    ...(service !== undefined && { service }),
    ...(method !== undefined && { method }),
    ...(errorKey !== undefined && { errorKey }),
    ...acceptedOf(options),
  }
}

const TIMES = {
  '--since <time>': 'that were accepted within this time, such as 1h',
  '--older-than <time>': 'that were accepted earlier, such as 1h',
}
const BULK_OPTIONS = {
  '--all': 'all jobs that the other options choose',
  '--service <name>': 'of this service',
  '--method <name>': 'of this method',
  ...TIMES,
}

const failureColumns: Column<Failure>[] = [
  { title: 'COUNT', rank: 0, align: 'right', value: ({ count }) => String(count) },
  { title: 'SERVICE', rank: 2, value: ({ service }) => service, cutTo: 10 },
  { title: 'METHOD', rank: 2, value: ({ method }) => method, cutTo: 10 },
  { title: 'LAST', rank: 3, align: 'right', value: ({ lastAt }) => distance(lastAt) },
  { title: 'KEY', rank: 1, value: ({ key }) => key },
  { title: 'CODE', rank: 5, value: ({ code }) => code },
  { title: 'JOB', rank: 6, isWide: true, value: ({ sampleJobId }) => sampleJobId },
  { title: 'ERROR', rank: 0, cutTo: 24, value: ({ name, message }) => `${name === null ? '' : `${name}: `}${message}` },
]

export const verbs: Verb[] = [
  {
    usage: 'jobs [service]',
    summary: 'list jobs, newest first',
    group: 'Calls and jobs',
    options: {
      '--state <state>': `only these: ${STATES}`,
      '--method <name>': 'only of this method',
      '--key <key>': 'that failed with this error: see threadplane failures',
      ...TIMES,
      '--limit <n>': 'how many (default: 20)',
      '--cursor <cursor>': 'go on where the last page has ended',
      '--counts': 'how many there are in each state, and how long the oldest has waited, instead of a list',
      '-w, --watch': 'show it again every 2 s, until Ctrl-C',
    },
    examples: ['threadplane jobs primes --state failed --since 1h', 'threadplane jobs --counts'],
    run: (session, [service], options) =>
      watch(session, options, async () => {
        if (!options.counts) return list(session, service, options)
        const answer = await session.get<{ items: Counts[] }>('/v1/jobs/counts', { service })
        return session.print.list(answer, { columns: countColumns, nameOf: ({ service }) => service, none: 'no jobs' })
      }),
  },
  {
    usage: 'job <id>',
    summary: 'show a job: its state, attempts and result',
    group: 'Calls and jobs',
    options: {
      '--payload': 'print the payload that it was cast with',
      '--logs': 'print what its attempts have logged',
    },
    examples: ['threadplane job $JOB', 'threadplane job $JOB --payload'],
    run: async (session, [id = ''], { payload, logs }) => {
      const { print } = session
      if (payload) return print.write(print.result((await session.get(route`/v1/jobs/${id}/payload`)).text))
      if (logs) return (await import('./logs.ts')).printJobLogs(session, id)
      await print.write(print.one(await session.get<Job>(route`/v1/jobs/${id}`), jobView))
    },
  },
  {
    usage: 'wait <id>',
    summary: 'wait until a job has finished, and print its result',
    details: 'Without --timeout it waits as long as it takes. Ctrl-C ends the wait, not the job.',
    group: 'Calls and jobs',
    examples: ['threadplane wait $JOB --timeout 1m'],
    run: (session, [id = '']) => waitForJob(session, id),
  },
  {
    usage: 'retry [id]',
    summary: 'queue a job again that has failed, expired or was cancelled; or all of them',
    group: 'Calls and jobs',
    options: {
      ...BULK_OPTIONS,
      '--state <state>': 'failed, expired or cancelled (default: failed)',
      '--key <key>': 'with this error: see threadplane failures',
    },
    examples: ['threadplane retry $FAILED', 'threadplane retry --all --service primes -y'],
    run: (session, [id], options) => change(session, 'retry', id, options),
  },
  {
    usage: 'run <id>',
    summary: 'run a job now that waits for its delay, or for its next attempt',
    group: 'Calls and jobs',
    examples: ['threadplane run $DELAYED'],
    run: (session, [id = '']) => changeOne(session, 'run', id),
  },
  {
    usage: 'cancel [id]',
    summary: 'cancel a job, or all of them: one that waits never runs, one that runs is aborted',
    group: 'Calls and jobs',
    options: { ...BULK_OPTIONS, '--state <state>': 'queued, scheduled or running (default: queued)' },
    examples: ['threadplane cancel $WAITING', 'threadplane cancel --all --service primes --state scheduled -y'],
    run: (session, [id], options) => change(session, 'cancel', id, options),
  },
  {
    usage: 'failures [service]',
    summary: 'list failed jobs, grouped by their errors',
    group: 'Calls and jobs',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane failures'],
    run: (session, [service], options) =>
      watch(session, options, async () =>
        session.print.list(await session.get<{ items: Failure[] }>('/v1/failures', { service }), {
          columns: failureColumns,
          nameOf: ({ key }) => key,
          none: 'no job has failed',
        }),
      ),
  },
]
