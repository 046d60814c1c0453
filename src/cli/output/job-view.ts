/** How a job is shown: alone, and in a list. */
import type { Job } from '../../../routes/schemas/job.ts'
import { type Fact, factLines } from './facts.ts'
import type { OneView } from './printer.ts'
import { styleOfState } from './style.ts'
import type { Column } from './table.ts'
import { distance, NONE, shortTime } from './units.ts'

export const jobColumns: Column<Job>[] = [
  { title: 'ID', rank: 0, value: ({ id }) => id },
  { title: 'SERVICE', rank: 2, value: ({ service }) => service, cutTo: 10 },
  { title: 'METHOD', rank: 1, value: ({ method }) => method, cutTo: 10 },
  { title: 'STATE', rank: 0, value: ({ state }) => state, style: ({ state }) => styleOfState(state) },
  { title: 'ATTEMPTS', rank: 5, align: 'right', value: ({ attempts, maxAttempts }) => `${attempts}/${maxAttempts}` },
  {
    title: 'PROGRESS',
    rank: 6,
    align: 'right',
    value: ({ progress }) => (progress === null ? NONE : `${Math.round(progress.fraction * 100)} %`),
  },
  { title: 'AGE', rank: 3, align: 'right', value: ({ createdAt }) => distance(createdAt) },
  { title: 'TOOK', rank: 7, align: 'right', value: tookOf },
  { title: 'PRIORITY', rank: 8, align: 'right', isWide: true, value: ({ priority }) => String(priority) },
  { title: 'NOT BEFORE', rank: 9, isWide: true, value: ({ notBefore }) => notBefore ?? NONE },
  { title: 'ERROR', rank: 4, cutTo: 24, value: ({ error }) => (error === undefined ? '' : errorOf(error)) },
]

export const jobView: OneView<Job> = {
  lines: (job, paint, width) => factLines(job.id, factsOf(job), paint, width),
  nameOf: ({ id }) => id,
}

function tookOf({ startedAt, finishedAt }: Job): string {
  return startedAt === null || finishedAt === null ? NONE : shortTime(Date.parse(finishedAt) - Date.parse(startedAt))
}

/** `METHOD_FAILED: no such luck`. */
function errorOf({ code, reason, message }: NonNullable<Job['error']>): string {
  return `${reason ?? code}: ${message}`
}

function factsOf(job: Job): Fact[] {
  const { service, method, state, attempts, maxAttempts, progress, createdAt, notBefore, expiresAt, error } = job
  return [
    ['method', `${service}.${method}`],
    ['state', state, styleOfState(state)],
    ['attempts', `${attempts} of ${maxAttempts}`],
    ['progress', progress === null ? '' : `${Math.round(progress.fraction * 100)} % ${progress.note ?? ''}`],
    ['accepted', `${distance(createdAt)} ago`],
    ['not before', notBefore === null || state !== 'scheduled' ? '' : `in ${distance(notBefore)}`],
    ['expires', expiresAt === null || job.finishedAt !== null ? '' : `in ${distance(expiresAt)}`],
    ['took', job.finishedAt === null || job.startedAt === null ? '' : tookOf(job)],
    ['error', error === undefined ? '' : errorOf(error), 'red'],
    ['result', job.result === undefined ? '' : JSON.stringify(job.result)],
    ...job.history.map((attempt): Fact => [`attempt ${attempt.number}`, attemptText(attempt)]),
  ]
}

function attemptText({ startedAt, endedAt, error }: Job['history'][number]): string {
  const outcome = error === undefined ? (endedAt === undefined ? 'runs' : 'succeeded') : errorOf(error)
  const took = endedAt === undefined ? '' : ` after ${shortTime(Date.parse(endedAt) - Date.parse(startedAt))}`
  return `${distance(startedAt)} ago, ${outcome}${took}`
}
