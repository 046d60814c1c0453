/** Verbs that list, set, run and delete schedules. */
import type { Job } from '../../../routes/schemas/job.ts'
import type { ScheduleView as Schedule } from '../../../routes/schemas/schedule.ts'
import { UsageError } from '../exit-codes.ts'
import { readJson } from '../input/payload.ts'
import { jobView } from '../output/job-view.ts'
import { type Fact, factLines } from '../output/facts.ts'
import type { OneView } from '../output/printer.ts'
import type { Column } from '../output/table.ts'
import { distance, NONE } from '../output/units.ts'
import { route, type Session } from '../session.ts'
import { textOf, type Verb } from '../verb.ts'
import { watch } from '../watch.ts'

const columns: Column<Schedule>[] = [
  { title: 'SERVICE', rank: 1, value: ({ service }) => service },
  { title: 'NAME', rank: 0, value: ({ name }) => name },
  { title: 'CRON', rank: 2, value: ({ cron }) => cron },
  { title: 'TIME ZONE', rank: 5, value: ({ timezone }) => timezone },
  { title: 'METHOD', rank: 3, value: ({ method }) => method },
  { title: 'NEXT', rank: 0, align: 'right', value: ({ nextRunAt }) => soon(nextRunAt) },
  { title: 'LAST', rank: 4, align: 'right', value: ({ lastRunAt }) => distance(lastRunAt) },
  { title: 'ERROR', rank: 6, cutTo: 12, style: () => 'red', value: ({ error }) => error?.message ?? '' },
]

function soon(time: string | null): string {
  return time === null ? NONE : `in ${distance(time)}`
}

const view: OneView<Schedule> = {
  lines: ({ service, name, cron, timezone, method, payload, nextRunAt, lastRunAt, error }, paint, width) => {
    const facts: Fact[] = [
      ['cron', `${cron} (${timezone})`],
      ['method', method],
      ['payload', payload === undefined ? '' : JSON.stringify(payload)],
      ['next', soon(nextRunAt)],
      ['last', lastRunAt === null ? NONE : `${distance(lastRunAt)} ago`],
      ['error', error?.message ?? '', 'red'],
    ]
    return factLines(`${service} ${name}`, facts, paint, width)
  },
  nameOf: ({ name }) => name,
}

/** The schedules of a service; without one, of all services. */
async function list(session: Session, service: string | undefined): Promise<string> {
  const path = service === undefined ? '/v1/schedules' : route`/v1/services/${service}/schedules`
  return session.print.list(await session.get<{ items: Schedule[] }>(path), {
    columns,
    nameOf: ({ service, name }) => `${service} ${name}`,
    none: 'no schedules',
  })
}

export const verbs: Verb[] = [
  {
    usage: 'schedules [service]',
    summary: 'list the schedules of a service, or of all',
    group: 'Calls and jobs',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane schedules'],
    run: (session, [service], options) => watch(session, options, () => list(session, service)),
  },
  {
    usage: 'schedule put <service> <name> <method> [payload...]',
    summary: 'cast a job at the times of a cron expression',
    group: 'Calls and jobs',
    options: { '--cron <cron>': '5 fields, or 6 with seconds first', '--timezone <zone>': '(default: UTC)' },
    examples: [`threadplane schedule put primes nightly count below:=1000 --cron '0 3 * * *'`],
    run: async (session, [service = '', name = '', method = '', ...words], options) => {
      const cron = textOf(options, 'cron')
      const timezone = textOf(options, 'timezone')
      if (cron === undefined) throw new UsageError(`a schedule needs its times: add --cron '0 3 * * *'`)
      const payload = await readJson(words, session.io.stdin)
      const body = {
        cron,
        method,
        ...(timezone !== undefined && { timezone }),
        ...(payload !== undefined && { payload: JSON.parse(payload) as unknown }),
      }
      const answer = await session.request<Schedule>('PUT', route`/v1/services/${service}/schedules/${name}`, { body })
      await session.print.write(session.print.one(answer, view))
    },
  },
  {
    usage: 'schedule show <service> <name>',
    summary: 'show a schedule',
    group: 'Calls and jobs',
    examples: ['threadplane schedule show primes nightly'],
    run: async (session, [service = '', name = '']) => {
      const answer = await session.get<Schedule>(route`/v1/services/${service}/schedules/${name}`)
      await session.print.write(session.print.one(answer, view))
    },
  },
  {
    usage: 'schedule run <service> <name>',
    summary: 'cast the job of a schedule now, and print the job',
    group: 'Calls and jobs',
    examples: ['threadplane schedule run primes nightly'],
    run: async (session, [service = '', name = '']) => {
      const answer = await session.request<Job>('POST', route`/v1/services/${service}/schedules/${name}/run`)
      await session.print.write(session.print.one(answer, jobView))
    },
  },
  {
    usage: 'schedule rm <service> <name>',
    summary: 'delete a schedule; its jobs stay',
    group: 'Calls and jobs',
    examples: ['threadplane schedule rm primes nightly -y'],
    run: async (session, [service = '', name = '']) => {
      await session.confirm(`delete the schedule ${name} of ${service}`)
      await session.request('DELETE', route`/v1/services/${service}/schedules/${name}`)
      session.print.note(`the schedule ${name} of ${service} is deleted`)
    },
  },
]
