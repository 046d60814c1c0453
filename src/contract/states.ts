/** The states of services and jobs that clients see. */

export const JOB_STATES = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const
export type JobState = (typeof JOB_STATES)[number]

export const SERVICE_STATES = [
  'stopped',
  'starting',
  'running',
  'paused',
  'stopping',
  'crashed',
  'backoff',
  'failed',
] as const
export type ServiceState = (typeof SERVICE_STATES)[number]

/** What a person wants. A shutdown of the server does not change it: it is what the next start of the server restores. */
export type DesiredState = 'running' | 'stopped'
