/** What happened to a job, step by step, with the time between the steps. Pure. */
import type { Job } from '../../../../routes/schemas/job.ts'

export interface Step {
  key: string
  label: string
  tone: 'good' | 'bad' | 'warn' | 'info' | 'off'
  /** ISO time; `undefined`: not yet. */
  at: string | undefined
  /** Milliseconds since the step before; `undefined`: not known. */
  afterMs: number | undefined
  /** Of an attempt: how long it ran. `null`: it runs still. */
  tookMs?: number | null
  /** Why the attempt failed. */
  error?: string
}

/** Steps that are not further apart are one moment. */
const SAME_MS = 5

const TONES = { succeeded: 'good', failed: 'bad', cancelled: 'off', expired: 'warn' } as const

export function timelineOf(job: Job): Step[] {
  const { createdAt, notBefore, history, state, finishedAt } = job
  const steps: Step[] = [{ key: 'accepted', label: 'accepted', tone: 'off', at: createdAt, afterMs: undefined }]
  let last = createdAt
  if (notBefore !== null && history.length === 0 && Date.parse(notBefore) > Date.parse(createdAt)) {
    steps.push({ key: 'due', label: 'due', tone: 'off', at: notBefore, afterMs: between(createdAt, notBefore) })
    last = notBefore
  }
  for (const { number, startedAt, endedAt, error } of history) {
    steps.push({
      key: `attempt ${number}`,
      label: `attempt ${number}`,
      tone: error !== undefined ? 'bad' : endedAt === undefined ? 'info' : 'good',
      at: startedAt,
      afterMs: between(last, startedAt),
      tookMs: endedAt === undefined ? null : between(startedAt, endedAt),
      ...(error !== undefined && { error: error.reason ?? error.code }),
    })
    last = endedAt ?? startedAt
  }
  if (finishedAt !== null && state in TONES) {
    const tone = TONES[state as keyof typeof TONES]
    const afterMs = between(last, finishedAt)
    // With the end of the last attempt the job ends.
    steps.push({ key: 'end', label: state, tone, at: finishedAt, afterMs: afterMs < SAME_MS ? undefined : afterMs })
  } else if (state === 'queued' || state === 'scheduled') {
    steps.push({ key: 'waits', label: state, tone: 'info', at: undefined, afterMs: undefined })
  }
  return steps
}

function between(from: string, to: string): number {
  return Math.max(0, Date.parse(to) - Date.parse(from))
}
