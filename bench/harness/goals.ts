/** The goals of threadplane, and whether the results that are there meet them. */
import { existsSync, readFileSync } from 'node:fs'
import { aligned, digits, type PartReport, RESULTS } from './report.ts'
import type { Spread } from './rounds.ts'

type Bound = { atLeast: number } | { atMost: number }

/** Where a figure is in the results. */
type Place = [part: string, section: string, row: string, column: string]

const CALL = ['call', 'call, both cores'] as const
const ONE_CORE = ['call-one-core', 'call, one core'] as const
const CAST = 'casts accepted'
const DRAINED = 'backlog drained, both cores'
const TRIPS = 'round trips in one process'

const GOALS: [what: string, bound: Bound, place: Place][] = [
  ['call ÷ bare Fastify + Ajv, both cores', { atLeast: 1 }, [...CALL, 'threadplane', '÷ fastify + ajv']],
  ['the same, servers on one core', { atLeast: 0.9 }, [...ONE_CORE, 'threadplane', '÷ fastify + ajv']],
  ['CPU per call ÷ bare Fastify', { atMost: 1.15 }, [...CALL, 'threadplane', 'CPU ÷ fastify + ajv']],
  ['p99 of call ÷ bare Fastify', { atMost: 2 }, [...CALL, 'threadplane', 'p99 ÷ fastify + ajv']],
  ['call ÷ Piscina', { atLeast: 2.2 }, [...CALL, 'piscina', 'threadplane ÷ it']],
  ['call ÷ Piscina, 64 at once', { atLeast: 1.4 }, [...CALL, 'piscina 64 at once', 'threadplane ÷ it']],
  ['call ÷ Watt', { atLeast: 5.5 }, [...CALL, 'watt', 'threadplane ÷ it']],
  ['call ÷ BullMQ', { atLeast: 10 }, [...CALL, 'bullmq', 'threadplane ÷ it']],
  ['call ÷ Restate', { atLeast: 12 }, [...CALL, 'restate', 'threadplane ÷ it']],
  ['cast ÷ no journal, both cores', { atLeast: 1 }, accepted('both cores, 13 bytes', 'threadplane', '÷ no journal')],
  ['the same, one core', { atLeast: 0.8 }, accepted('one core, 13 bytes', 'threadplane', '÷ no journal')],
  ['the same, one core, 1 KiB', { atLeast: 0.6 }, accepted('one core, 1024 bytes', 'threadplane', '÷ no journal')],
  ['cast ÷ BullMQ add, both cores', { atLeast: 2.5 }, queued('jobs accepted, both cores', 'bullmq')],
  ['the same, one core', { atLeast: 4 }, queued('jobs accepted, one core', 'bullmq')],
  ['backlog drained ÷ BullMQ, 2 at once each', { atLeast: 3 }, queued(DRAINED, 'bullmq 2 at once')],
  ['the same ÷ BullMQ at its best, 64 at once', { atLeast: 3 }, queued(DRAINED, 'bullmq 64 at once')],
  ['round trips ÷ raw, 64 in flight', { atLeast: 1.1 }, trips(64, 'threadplane', '÷ raw')],
  ['round trips ÷ raw, 1000 in flight', { atLeast: 1.4 }, trips(1_000, 'threadplane', '÷ raw')],
  ['round trips ÷ Piscina, 64 at once', { atLeast: 2.5 }, trips(64, 'piscina 64 at once', 'threadplane ÷ it')],
  ['round trips ÷ Piscina', { atLeast: 18 }, trips(64, 'piscina', 'threadplane ÷ it')],
  ['latency of one at a time ÷ raw', { atMost: 1.2 }, trips(1, 'threadplane', 'median ÷ raw')],
  [
    'call among 500 services ÷ with 1',
    { atLeast: 0.95 },
    ['services', 'call among services that are registered', 'threadplane, 500 services', '÷ threadplane, 1 service'],
  ],
  ['start of a thread ÷ raw', { atMost: 1.2 }, ['start', 'start of a thread', 'threadplane', '÷ raw']],
  [
    'idle memory of a thread ÷ raw',
    { atMost: 1.2 },
    ['start', 'idle memory of a thread, over 6', 'threadplane', '÷ raw'],
  ],
  [
    '300 services started at once: time ÷ work on two cores',
    { atMost: 1.1 },
    ['start-services', '300 services started at once', 'threadplane', 'time ÷ work on 2 cores'],
  ],
  [
    'the same: memory ÷ raw threads',
    { atMost: 1.15 },
    ['start-services', '300 services started at once', 'threadplane', 'RSS ÷ raw'],
  ],
  [
    'call ÷ without events, metrics, tokens, log rings, traces',
    { atLeast: 0.98 },
    ['surface', 'calls', 'without all', 'threadplane ÷ it'],
  ],
  ['cast ÷ the same', { atLeast: 0.98 }, ['surface', 'casts accepted', 'without all', 'threadplane ÷ it']],
  [
    'process start to /readyz ÷ bare Fastify',
    { atMost: 3 },
    ['start', 'process start to /readyz', 'threadplane, --no-supervise', '÷ bare fastify'],
  ],
  [
    '1 MB in, 100 KB out, as JSON ÷ inline',
    { atLeast: 0.9 },
    ['size', 'call of 1000000 bytes, both cores', 'threadplane', '÷ fastify inline'],
  ],
  [
    '1 MB binary in, 100 KB out ÷ inline',
    { atLeast: 0.9 },
    ['size', 'binary call of 1000000 bytes, both cores', 'threadplane', '÷ fastify inline'],
  ],
]

function accepted(section: string, row: string, column: string): Place {
  return ['cast', `${CAST}, ${section}`, row, column]
}

function queued(section: string, row: string): Place {
  return ['queues', section, row, 'threadplane ÷ it']
}

function trips(inFlight: number, row: string, column: string): Place {
  return ['thread', `${TRIPS}, ${inFlight} in flight`, row, column]
}

export function printGoals(): void {
  const reports = new Map<string, PartReport>()
  for (const part of new Set(GOALS.map(([, , [part]]) => part))) {
    const file = `${RESULTS}${part}.json`
    if (existsSync(file)) reports.set(part, JSON.parse(readFileSync(file, 'utf8')) as PartReport)
  }
  const lines = GOALS.map(([what, bound, [part, section, row, column]]) => {
    const found = reports.get(part)?.sections.find(({ title }) => title === section)
    const figure = found?.rows.find(({ name }) => name === row)?.figures[column]
    return [what, 'atLeast' in bound ? `at least ${bound.atLeast}` : `at most ${bound.atMost}`, ...judge(bound, figure)]
  })
  console.log(`\n${aligned(['goal', '', 'measured', ''], lines)}\n`)
}

function judge(bound: Bound, figure: Spread | undefined): string[] {
  if (figure === undefined) return ['', 'not measured']
  const { median, min, max } = figure
  const met = 'atLeast' in bound ? median >= bound.atLeast : median <= bound.atMost
  return [`${digits(median)} (${digits(min)}–${digits(max)})`, met ? 'met' : 'NOT MET']
}
