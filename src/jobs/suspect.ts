/** Which attempts run alone in their thread. */
import type { OpenAttempt } from './job-store.ts'

/**
 * Did the previous attempt end because its thread died? Then this one runs alone, so that it harms no other method and
 * none harms it. The end of the server says nothing about a job: run alone, all jobs that ran then would delay the
 * others after every restart.
 */
export function isSuspect({ lastError }: OpenAttempt): boolean {
  return lastError?.code === 'THREAD_DIED' && lastError.reason !== 'SERVER_ENDED'
}
