/** An event of the server in words. */
import type { LiveEvent } from '../../live/live-event.ts'
import { duration, plural, timestamp } from '../../ui/format.ts'

export interface EventText {
  text: string
  /** An error, or what changed. */
  detail?: string
  tone: 'good' | 'bad' | 'warn' | 'info' | 'off'
  jobId?: string
}

export function textOf(event: LiveEvent): EventText {
  switch (event.type) {
    case 'service.registered':
      return { text: `registered from ${event.module}${by(event.by)}`, tone: 'info' }
    case 'service.removed':
      return { text: `removed${by(event.by)}`, tone: 'off' }
    case 'service.state':
      return {
        text: `${event.state}, was ${event.from}${by(event.by)}`,
        ...(event.reason !== null && { detail: event.reason }),
        tone: TONES[event.state] ?? 'off',
      }
    case 'service.options':
      return { text: `options changed: ${event.changed.join(', ')}`, tone: 'info' }
    case 'service.reloaded': {
      const { added, removed, changed } = event.methods
      const parts = [
        ...added.map((name) => `+ ${name}`),
        ...removed.map((name) => `− ${name}`),
        ...changed.map((name) => `~ ${name}`),
      ]
      const detail = parts.length > 0 ? { detail: parts.join(', ') } : {}
      return { text: `reloaded in ${duration(event.tookMs)}`, ...detail, tone: 'good' }
    }
    case 'service.reload_failed':
      return { text: 'reload failed: the old code goes on', detail: event.error.message, tone: 'bad' }
    case 'thread.started':
      return { text: `thread ${event.thread.index} started in ${duration(event.tookMs)}`, tone: 'good' }
    case 'thread.ended':
      return { text: `thread ${event.thread.index} ended (${event.reason})`, tone: 'off' }
    case 'thread.crashed':
      return {
        text: `thread ${event.thread.index} crashed (${event.cause})`,
        detail: event.error.message,
        tone: 'bad',
        ...(event.jobId !== undefined && { jobId: event.jobId }),
      }
    case 'thread.unresponsive':
      return { text: `thread ${event.thread.index} has not answered for ${duration(event.sinceMs)}`, tone: 'warn' }
    case 'thread.responsive':
      return { text: `thread ${event.thread.index} answers again after ${duration(event.sinceMs)}`, tone: 'good' }
    case 'thread.stuck':
      return { text: `thread ${event.thread.index} does not end: it is blocked in native code`, tone: 'bad' }
    case 'schedule.set':
      return {
        text: `schedule ${event.name} set, ${event.nextAt === null ? 'without a next time' : `next at ${timestamp(event.nextAt)} UTC`}`,
        tone: 'info',
      }
    case 'schedule.removed':
      return { text: `schedule ${event.name} removed`, tone: 'off' }
    case 'schedule.fired':
      return { text: `schedule ${event.name} cast a job`, tone: 'info', jobId: event.jobId }
    case 'server.closing':
      return { text: 'the server is closing', tone: 'warn' }
    case 'jobs.skipped':
      return { text: `${plural(event.count, 'job event')} left out: too many a second`, tone: 'warn' }
    case 'audit':
      return {
        text: `${event.token ?? event.via}: ${event.action}${event.target === null ? '' : ` ${event.target}`}, ${event.outcome}`,
        ...(event.code !== null && { detail: event.code }),
        tone: event.outcome === 'ok' ? 'info' : 'warn',
      }
    case 'stats':
    case 'log':
      return { text: event.type, tone: 'off' }
    default:
      return {
        text: `${event.job.method}: job ${event.type.slice('job.'.length)}`,
        ...(event.error !== undefined && { detail: event.error.message }),
        tone: event.type === 'job.failed' ? 'bad' : event.type === 'job.succeeded' ? 'good' : 'info',
        jobId: event.job.id,
      }
  }
}

export function serviceOfEvent(event: LiveEvent): string | undefined {
  if ('service' in event && typeof event.service === 'string') return event.service
  return 'job' in event ? event.job.service : undefined
}

const TONES: Record<string, EventText['tone']> = {
  running: 'good',
  starting: 'info',
  failed: 'bad',
  crashed: 'bad',
  backoff: 'warn',
  paused: 'warn',
}

function by(token: string | null): string {
  return token === null ? '' : ` by ${token}`
}
