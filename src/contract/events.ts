/** What happens in a server, as clients see it in the stream of events. Pure. */
import { toWireError } from './errors.ts'
import type { DesiredState, JobState, ServiceState } from './states.ts'

/** Which of the threads of a service. `index` counts from 0, `id` is that of the status. */
export interface EventThread {
  index: number
  id: number
}

export interface EventError {
  /** Of an error of threadplane. */
  code?: string
  name?: string
  message: string
}

/** Of the message of an error in an event. */
const MAX_MESSAGE_CHARS = 1_000

/** An error, short enough for an event. */
export function eventError(error: Error): EventError {
  const { name, message, code } = toWireError(error)
  return { name, message: eventMessage(message), ...(code !== undefined && { code }) }
}

/** The message of an error, short enough for an event. */
export function eventMessage(message: string): string {
  return message.slice(0, MAX_MESSAGE_CHARS)
}

/** A job, as far as it is known where the event happens. Never with payload or result. */
export interface EventJob {
  id: string
  service: string
  method: string
  state: JobState
  attempts: number
  maxAttempts?: number
  priority?: number
}

/** How a thread died. `start`: it did not start. `killed`: a signal ended its process. */
export const CRASH_CAUSES = ['exception', 'exit', 'hang', 'oom', 'flood', 'start', 'killed'] as const
export type CrashCause = (typeof CRASH_CAUSES)[number]
export type ThreadEndReason = 'stop' | 'reload' | 'scale' | 'retired'

export interface ServiceStateFacts {
  state: ServiceState
  from: ServiceState
  desiredState: DesiredState
  draining: boolean
  /** Why it crashed or failed. */
  reason: string | null
  /** When its supervisor starts it again, in milliseconds since the epoch. */
  nextStartAt: string | null
  restartCount: number
  restartBudget: { maxRestarts: number; periodMs: number; remaining: number }
}

/** Who asked for it: the id of a token. `null`: no token did, but the server itself or an open server's client. */
interface Caused {
  by: string | null
}

/** Events of services, threads, schedules and the server: few, and never lost to a flood of jobs. */
export type ControlEvent =
  | ({ type: 'service.registered' | 'service.removed'; service: string; module: string } & Caused)
  | ({ type: 'service.state'; service: string } & ServiceStateFacts & Caused)
  | { type: 'service.options'; service: string; changed: string[] }
  | {
      type: 'service.reloaded'
      service: string
      module: string
      tookMs: number
      methods: { added: string[]; removed: string[]; changed: string[] }
    }
  | { type: 'service.reload_failed'; service: string; module: string; error: EventError }
  | { type: 'thread.started'; service: string; thread: EventThread; tookMs: number }
  | { type: 'thread.ended'; service: string; thread: EventThread; reason: ThreadEndReason }
  | {
      type: 'thread.crashed'
      service: string
      thread: EventThread
      cause: CrashCause
      error: EventError
      chargedTo: 'service' | 'job'
      jobId?: string
    }
  | {
      type: 'thread.unresponsive' | 'thread.responsive' | 'thread.stuck'
      service: string
      thread: EventThread
      sinceMs: number
    }
  | { type: 'schedule.set' | 'schedule.removed'; service: string; name: string; nextAt: string | null }
  | { type: 'schedule.fired'; service: string; name: string; nextAt: string | null; jobId: string }
  | { type: 'server.closing'; graceMs: number | null }

export const JOB_EVENT_TYPES = [
  'job.accepted',
  'job.started',
  'job.progress',
  'job.retrying',
  'job.succeeded',
  'job.failed',
  'job.cancelled',
  'job.expired',
  'job.deleted',
] as const

export interface JobEvent {
  type: (typeof JOB_EVENT_TYPES)[number]
  job: EventJob
  error?: EventError
  progress?: { fraction: number; note?: string }
}

export const CONTROL_EVENT_TYPES = [
  'service.registered',
  'service.removed',
  'service.state',
  'service.options',
  'service.reloaded',
  'service.reload_failed',
  'thread.started',
  'thread.ended',
  'thread.crashed',
  'thread.unresponsive',
  'thread.responsive',
  'thread.stuck',
  'schedule.set',
  'schedule.removed',
  'schedule.fired',
  'server.closing',
] as const satisfies readonly ControlEvent['type'][]

export interface EventSink {
  emit(event: ControlEvent | JobEvent): void
  /**
   * False: nobody follows jobs, so only `job.failed` need be emitted. Everybody who emits events of jobs asks this first:
   * they are many.
   */
  readonly followsJobs: boolean
}

/** For services without a server. */
export const NO_EVENTS: EventSink = { emit: () => {}, followsJobs: false }
