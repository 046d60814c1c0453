/** `ps` and `status`: what the services do. */
import type { ServiceStatus } from '../../../routes/schemas/service.ts'
import { type Fact, factLines } from '../output/facts.ts'
import type { Column } from '../output/table.ts'
import { styleOfState } from '../output/style.ts'
import { distance, NONE, share, shortSize, shortTime } from '../output/units.ts'
import { route, type Session } from '../session.ts'
import type { ServiceSummary } from '../../../routes/schemas/service-summary.ts'
import { recentNumbers, type Recent } from '../recent-numbers.ts'
import type { Verb } from '../verb.ts'
import { watch } from '../watch.ts'

/** @param recent of the last minute, by service; without an entry nothing is known */
export function serviceColumns(recent: ReadonlyMap<string, Recent>): Column<ServiceSummary>[] {
  return [
    { title: 'NAME', rank: 0, value: ({ name }) => name, cutTo: 12 },
    { title: 'STATE', rank: 0, value: ({ state }) => state, style: ({ state }) => styleOfState(state) },
    { title: 'THREADS', rank: 3, align: 'right', value: ({ threads }) => `${threads.ready}/${threads.wanted}` },
    { title: 'QUEUE', rank: 2, align: 'right', value: ({ queue }) => String(queue.size) },
    { title: 'RUN', rank: 5, align: 'right', value: ({ queue }) => String(queue.running) },
    {
      title: 'CALLS/S',
      rank: 7,
      align: 'right',
      value: ({ name }) => recent.get(name)?.callsPerS?.toFixed(1) ?? NONE,
    },
    {
      title: 'P95',
      rank: 8,
      align: 'right',
      value: ({ name }) => {
        const p95Ms = recent.get(name)?.p95Ms ?? null
        return p95Ms === null ? NONE : shortTime(p95Ms)
      },
    },
    {
      title: 'FAILED',
      rank: 4,
      align: 'right',
      value: ({ counts: { succeeded, failed } }) => share(failed, succeeded + failed),
    },
    {
      title: 'RESTARTS',
      rank: 9,
      align: 'right',
      value: ({ restartBudget: { maxRestarts, remaining } }) => `${maxRestarts - remaining}/${maxRestarts}`,
    },
    {
      title: 'HEAP',
      rank: 6,
      align: 'right',
      value: ({ heapUsedBytes }) => (heapUsedBytes === 0 ? NONE : shortSize(heapUsedBytes)),
    },
    { title: 'CALLS', rank: 10, align: 'right', isWide: true, value: ({ counts }) => String(counts.calls) },
    { title: 'CASTS', rank: 11, align: 'right', isWide: true, value: ({ counts }) => String(counts.casts) },
    { title: 'RETRIED', rank: 12, align: 'right', isWide: true, value: ({ counts }) => String(counts.retried) },
    { title: 'CAPACITY', rank: 13, align: 'right', isWide: true, value: ({ queue }) => String(queue.capacity) },
    { title: 'NOTE', rank: 1, cutTo: 24, value: (service) => noteOf(service, recent.get(service.name)) },
  ]
}

function noteOf({ state, crashReason }: ServiceSummary, recent: Recent | undefined): string {
  const isDown = state === 'backoff' || state === 'failed' || state === 'crashed'
  if (!isDown || crashReason === null) return ''
  if (state !== 'backoff' || recent?.nextStartAt == null) return crashReason
  return `starts in ${distance(recent.nextStartAt)}: ${crashReason}`
}

async function list(session: Session): Promise<string> {
  const answer = await session.get<{ items: ServiceSummary[] }>('/v1/services', { view: 'summary' })
  const recent = session.print.isForPersons ? await recentNumbers(session, answer.body.items) : new Map()
  return session.print.list(answer, {
    columns: serviceColumns(recent),
    nameOf: ({ name }) => name,
    none: 'there are no services: put a module into the folder of the server, or use threadplane put',
  })
}

function factsOf(status: ServiceStatus, recent: Recent | undefined): Fact[] {
  const { state, queue, counts, restartBudget, crashReason, threads } = status
  return [
    ['state', state + (status.draining ? ', runs its queued calls first' : ''), styleOfState(state)],
    ['wanted', status.desiredState],
    ['module', status.module],
    ['about', status.description ?? ''],
    ['methods', status.methods.join(', ') || NONE],
    ['queue', `${queue.size} of ${queue.capacity}, ${queue.running} running`],
    ['counts', `${counts.calls} calls, ${counts.casts} casts, ${counts.failed} failed, ${counts.retried} retried`],
    ['restarts', `${restartBudget.remaining} of ${restartBudget.maxRestarts} left, ${status.restartCount} so far`],
    ['crash', crashReason === null ? '' : `${crashReason.name}: ${crashReason.message}`, 'red'],
    ['next start', recent?.nextStartAt == null ? '' : `in ${distance(recent.nextStartAt)}`],
    ['stuck', status.stuck === 0 ? '' : `${status.stuck} threads, in native code`, 'red'],
    ['isolation', status.isolation],
    ['options', optionsOf(status.options)],
    ...threads.map((thread): Fact => [`thread ${thread.id}`, threadText(thread), styleOfState(thread.state)]),
  ]
}

function threadText(thread: ServiceStatus['threads'][number]): string {
  const { state, responsive, eventLoopUtilization, heapUsedBytes, startedAt, node } = thread
  const facts = [
    state,
    responsive ? '' : 'does not respond',
    `${Math.round(eventLoopUtilization * 100)} % busy`,
    shortSize(heapUsedBytes),
    startedAt === null ? '' : `for ${distance(startedAt)}`,
    node === undefined ? '' : `on ${node}`,
  ]
  return facts.filter((fact) => fact !== '').join(', ')
}

/** `threads 2, restart.maxRestarts 5`. */
function optionsOf(options: object, prefix = ''): string {
  return Object.entries(options)
    .map(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? optionsOf(value as object, `${prefix}${name}.`)
        : `${prefix}${name} ${Array.isArray(value) ? value.join(',') || '[]' : String(value)}`,
    )
    .filter((text) => text !== '')
    .join(', ')
}

export const verbs: Verb[] = [
  {
    usage: 'ps',
    summary: 'list the services',
    details:
      'CALLS/S and P95 are of the last minute; FAILED is the part of all methods since the start of the server. RESTARTS are those of the restart budget.',
    group: 'Services',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane ps', 'threadplane ps -o json'],
    run: (session, _args, options) => watch(session, options, () => list(session)),
  },
  {
    usage: 'status <service>',
    summary: 'show a service: its state, threads, counts and options',
    group: 'Services',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane status primes'],
    run: (session, [service = ''], options) =>
      watch(session, options, async () => {
        const answer = await session.get<ServiceStatus>(route`/v1/services/${service}`)
        const { body } = answer
        const isWaiting = session.print.isForPersons && body.state === 'backoff'
        const recent = isWaiting ? await recentNumbers(session, [body]) : undefined
        return session.print.one(answer, {
          lines: (status, paint, width) => factLines(status.name, factsOf(status, recent?.get(service)), paint, width),
          nameOf: ({ name }) => name,
        })
      }),
  },
]
