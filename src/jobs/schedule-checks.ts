/** What is refused of a schedule when it is stored. */
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import { CronTimes } from './cron-times.ts'
import type { Schedule } from './job-store.ts'
import type { JobTarget } from './job-target.ts'

/** @throws VALIDATION_FAILED */
export function checkCron({ cron, timezone }: Pick<Schedule, 'cron' | 'timezone'>): void {
  const refuse = (pointer: string, message: string) =>
    new ThreadplaneError('VALIDATION_FAILED', `the schedule was refused: ${message}`, {
      errors: [{ pointer, message }],
    })
  let next: number | undefined
  try {
    next = new CronTimes(cron, timezone).next(Date.now())
  } catch (error) {
    if (!(error instanceof RangeError) || !/time zone/i.test(error.message))
      throw refuse('/cron', (error as Error).message)
    throw refuse('/timezone', `${JSON.stringify(timezone)} is not a time zone of the IANA database`)
  }
  if (next === undefined) throw refuse('/cron', 'it names no time in the future')
}

/** Reports issues of the payload with pointers into the schedule. @throws VALIDATION_FAILED, UNSUPPORTED_MEDIA_TYPE */
export function checkPayload(target: JobTarget, method: string, payload: unknown): void {
  try {
    target.checkPayload(method, payload)
  } catch (error) {
    if (!hasCode(error, 'VALIDATION_FAILED')) throw error
    const errors = error.facts.errors?.map(({ pointer, message }) => ({ pointer: `/payload${pointer}`, message }))
    throw new ThreadplaneError('VALIDATION_FAILED', error.message, { ...error.facts, errors: errors ?? [] })
  }
}
