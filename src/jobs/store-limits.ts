/** The limits of every store of jobs. */

/** The last attempts of a job that its history holds, beside the present one. */
export const MAX_HISTORY = 100
/** The oldest finished jobs beyond this number are forgotten. */
export const MAX_FINISHED_JOBS = 1_000_000
/** The counts of so many services are answered. Services that were deleted count too while their jobs are kept. */
export const MAX_COUNTED_SERVICES = 10_000

export interface RetentionLimits {
  keepJobsMs: number
  maxFinishedJobs: number
}
