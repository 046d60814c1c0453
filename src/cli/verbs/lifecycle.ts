/** Verbs that start, stop and change what runs. */
import type { LifecycleResult } from '../../../routes/schemas/service.ts'
import { CRASH_KINDS } from '../../contract/crash-kind.ts'
import { UsageError } from '../exit-codes.ts'
import type { Paint } from '../output/style.ts'
import { styleOfState } from '../output/style.ts'
import { route, type Session } from '../session.ts'
import { textOf, type Verb } from '../verb.ts'

interface Change {
  query?: Record<string, string | undefined>
  body?: unknown
}

async function change(session: Session, service: string, action: string, change: Change = {}): Promise<void> {
  const answer = await session.request<LifecycleResult>('POST', route`/v1/services/${service}/${action}`, change)
  await session.print.write(
    session.print.one(answer, {
      lines: (result, paint) => [lineOf(action, result, paint)],
      nameOf: ({ name }) => name,
    }),
  )
}

/** What has happened, where the state alone does not say it. */
const HAPPENED: Record<string, string> = { restart: 'was restarted', reload: 'was reloaded', crash: 'has crashed' }

/** `primes is running`; `primes was stopped already`; `primes was reloaded: running`. */
function lineOf(action: string, result: LifecycleResult, paint: Paint): string {
  const { name, state, changed, stoppedDependents = [] } = result
  const dependents = stoppedDependents.length === 0 ? '' : `; before it: ${stoppedDependents.join(', ')}`
  const shown = paint(styleOfState(state), state)
  const happened = HAPPENED[action]
  if (happened !== undefined) return `${name} ${happened}: ${shown}${dependents}`
  return changed ? `${name} is ${shown}${dependents}` : `${name} was ${shown} already${dependents}`
}

function lifecycleVerb(action: string, summary: string): Verb {
  return {
    usage: `${action} <service>`,
    summary,
    group: 'Services',
    examples: [`threadplane ${action} primes`],
    run: (session, [service = '']) => change(session, service, action),
  }
}

export const verbs: Verb[] = [
  lifecycleVerb('start', 'start a service, after those that it depends on'),
  {
    ...lifecycleVerb('stop', 'stop a service, after those that depend on it'),
    options: { '--no-drain': 'refuse the calls that wait in its queue, instead of running them first' },
    run: (session, [service = ''], { drain }) =>
      change(session, service, 'stop', { query: { drain: drain === undefined ? 'false' : undefined } }),
  },
  lifecycleVerb('restart', 'stop and start a service, and those that depend on it'),
  lifecycleVerb('reload', 'load the module again, and replace the running code without a gap'),
  lifecycleVerb('pause', 'run no further methods; casts are still accepted'),
  lifecycleVerb('resume', 'run methods again'),
  {
    usage: 'crash <service>',
    summary: 'crash a service on purpose, to see what its supervisor does',
    group: 'Services',
    options: { '--kind <kind>': `${CRASH_KINDS.join(', ')} (default: exception)`, '--reason <text>': 'for the log' },
    examples: ['threadplane crash primes --kind exit -y'],
    run: async (session, [service = ''], options) => {
      const kind = textOf(options, 'kind') ?? 'exception'
      if (!CRASH_KINDS.some((one) => one === kind)) {
        throw new UsageError(`--kind is ${JSON.stringify(kind)}: it must be one of ${CRASH_KINDS.join(', ')}`)
      }
      await session.confirm(`crash the service ${service} and fail the methods that it runs`)
      const reason = textOf(options, 'reason')
      await change(session, service, 'crash', { body: { kind, ...(reason !== undefined && { reason }) } })
    },
  },
]
