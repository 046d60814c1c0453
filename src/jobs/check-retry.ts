/** Which jobs a client may have run again. */
import { ThreadplaneError } from '../contract/errors.ts'
import { isFinished, type Job } from './job.ts'

/** @param exists does its service exist? @throws SERVICE_NOT_FOUND, CONFLICT */
export function checkMayRetry(job: Job, exists: boolean): void {
  const { id, service, state } = job
  // A job of a deleted service would wait for ever.
  if (!exists) {
    const detail = `the service ${service} of the job does not exist any more`
    throw new ThreadplaneError('SERVICE_NOT_FOUND', detail, { service, jobId: id })
  }
  if (isFinished(job) && state !== 'succeeded') return
  const detail = `the job is ${state}: only a failed, expired or cancelled job can be retried`
  throw new ThreadplaneError('CONFLICT', detail, { jobId: id })
}
