/**
 * What a person can do with a service, in one list for buttons, keys and the palette. What interrupts work asks first: the
 * question names the service, how much runs and waits, and what happens to it.
 */
import type { LifecycleResult, ServiceStatus } from '../../../routes/schemas/service.ts'
import { post } from '../api/request.ts'
import { confirm, type Question } from '../ui/dialog.tsx'
import { plural } from '../ui/format.ts'
import type { IconName } from '../ui/icon.tsx'
import { notify, notifyError } from '../ui/toast.tsx'
import { crashKind, CrashQuestion } from './crash-question.tsx'
import { whyRefused } from './me.ts'
import { type Service, takeStatus } from './services.ts'

export type ActionName = 'start' | 'stop' | 'stopNow' | 'restart' | 'reload' | 'pause' | 'resume' | 'crash'

interface Action {
  label: string
  icon: IconName
  path: string
  query?: Record<string, boolean>
  json?: () => unknown
  done: string
  note: string
  danger?: true
  /** In which states it makes sense. */
  states: readonly string[]
  /** Asks first. */
  question?: (service: Service) => Question
}

const ACTIVE = ['running', 'paused', 'starting', 'backoff', 'crashed']

/** `2 methods run and 14 wait: they finish first.` @param fate what happens to them */
function load({ stats }: Service, fate: string): string {
  const { running, queue } = stats.peek()
  if (running === 0 && queue === 0) return 'Nothing runs or waits at present.'
  return `${plural(running, 'method')} ${running === 1 ? 'runs' : 'run'} and ${plural(queue, 'method')} ${queue === 1 ? 'waits' : 'wait'}: ${fate}.`
}

export const ACTIONS: Record<ActionName, Action> = {
  start: {
    label: 'Start',
    icon: 'play',
    path: 'start',
    done: 'runs',
    note: 'After the services that it depends on',
    states: ['stopped', 'crashed', 'backoff', 'failed'],
  },
  stop: {
    label: 'Stop',
    icon: 'stop',
    path: 'stop',
    done: 'has stopped',
    note: 'What runs and waits finishes first',
    states: ACTIVE,
    question: (service) => ({
      title: `Stop ${service.name}?`,
      text: `${load(service, 'calls finish first, then the threads end')} Jobs stay queued until it runs again. Services that depend on it stop too.`,
      action: `Stop ${service.name}`,
    }),
  },
  stopNow: {
    label: 'Stop without the queue',
    icon: 'stop',
    path: 'stop',
    query: { drain: false },
    done: 'has stopped',
    note: 'Queued calls are rejected',
    danger: true,
    states: ACTIVE,
    question: (service) => ({
      title: `Stop ${service.name} without its queue?`,
      text: `${load(service, 'what runs may finish within the shutdown time, and calls that wait are answered with an error')} Jobs stay queued until it runs again. Services that depend on it stop too.`,
      action: `Stop ${service.name}`,
    }),
  },
  restart: {
    label: 'Restart',
    icon: 'reload',
    path: 'restart',
    done: 'runs again',
    note: 'Stops and starts it, with its dependents',
    states: [...ACTIVE, 'failed'],
    question: (service) => ({
      title: `Restart ${service.name}?`,
      text: `${load(service, 'they finish first')} Calls are refused until it runs again, and jobs wait. Services that depend on it restart too.`,
      action: `Restart ${service.name}`,
    }),
  },
  reload: {
    label: 'Reload',
    icon: 'bolt',
    path: 'reload',
    done: 'runs the code as it is on disk',
    note: 'New code beside the old, without a gap',
    states: ['running', 'paused', 'stopped', 'backoff', 'failed', 'crashed'],
  },
  pause: {
    label: 'Pause',
    icon: 'pause',
    path: 'pause',
    done: 'is paused',
    note: 'Runs nothing more; casts are still accepted',
    states: ['running'],
  },
  resume: {
    label: 'Resume',
    icon: 'play',
    path: 'resume',
    done: 'runs again',
    note: 'Runs what waits',
    states: ['paused'],
  },
  crash: {
    label: 'Crash…',
    icon: 'bolt',
    path: 'crash',
    json: () => ({ kind: crashKind.value }),
    done: 'crashes on purpose',
    note: 'To see what the supervisor does',
    danger: true,
    states: ['running', 'paused'],
    question: (service) => ({
      title: `Crash ${service.name} on purpose?`,
      text: (
        <CrashQuestion
          load={load(service, 'calls in the thread fail at once, and jobs are tried again')}
          budget={`${service.restarts.peek().remaining} of ${service.restarts.peek().max} are left`}
        />
      ),
      action: `Crash ${service.name}`,
    }),
  },
}

/** Why the action makes no sense in the present state; `false`: it does. */
export function whyNot(name: ActionName, { phase }: Service): string | false {
  return !ACTIONS[name].states.includes(phase.value.state) && `Not while it is ${phase.value.state}`
}

/** Asks if need be, does it, and says what came of it. */
export async function act(name: ActionName, service: Service): Promise<void> {
  const { question, path, query, json, done, label } = ACTIONS[name]
  // A key has no button that says it.
  const refused = whyRefused('operate', service.name)
  if (refused !== undefined) return notify(`${label.replace('…', '')}: ${refused}`, undefined, 'bad')
  if (question !== undefined && !(await confirm(question(service)))) return
  const before = service.phase.peek().state
  try {
    const url = `/v1/services/${encodeURIComponent(service.name)}/${path}`
    const result = await post<LifecycleResult>(url, {
      ...(query && { query }),
      ...(json !== undefined && { json: json() }),
    })
    takeStatus(result as ServiceStatus)
    const also = result.stoppedDependents ?? []
    notify(
      result.changed ? `${service.name} ${done}` : `${service.name} was ${before} already`,
      also.length === 0 ? undefined : `Also: ${also.join(', ')}`,
    )
  } catch (error) {
    notifyError(`${label.replace('…', '')} of ${service.name} failed`, error)
  }
}
