/** `top`: a table of the services that follows what happens. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Plane } from '../../client/index.ts'
import { CliError, EXIT, UsageError } from '../exit-codes.ts'
import type { Recent } from '../recent-numbers.ts'
import type { Session } from '../session.ts'
import type { Verb } from '../verb.ts'
import type { ServiceSummary } from '../../../routes/schemas/service-summary.ts'
import { serviceColumns } from './services.ts'

const DRAW_EVERY_MS = 1_000
// The alternate screen, which leaves what the person had on the terminal; and the cursor.
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const END_OF_LINE = '\u001b[K\n'
const REST_OF_SCREEN = '\u001b[J'

async function top(session: Session): Promise<void> {
  const { io, print } = session
  const { stdin, stdout } = io
  if (!stdin.isTTY || print.width === undefined) throw new UsageError('top needs a terminal: use threadplane ps -w')
  const plane = await session.plane()
  // The first answer comes before the screen changes, so that an error stays on it.
  let services = await summaries(session)
  const ended = new AbortController()
  let isInterrupted = false
  const onKeys = (keys: Buffer) => {
    isInterrupted ||= keys.includes(3)
    if (isInterrupted || /q/i.test(keys.toString())) ended.abort()
  }
  stdin.setRawMode?.(true)
  stdin.on('data', onKeys)
  const signal = AbortSignal.any([ended.signal, io.interrupted])
  const recent = new Map<string, Recent>()
  const following = follow(plane, recent, signal)
  stdout.write(ENTER)
  try {
    while (!signal.aborted) {
      await draw(session, services, recent)
      await sleep(DRAW_EVERY_MS, undefined, { signal }).catch(() => {})
      if (!signal.aborted) services = await summaries(session)
    }
  } finally {
    stdout.write(LEAVE)
    stdin.off('data', onKeys)
    stdin.setRawMode?.(false)
    stdin.pause()
    ended.abort()
    await following
  }
  if (isInterrupted || io.interrupted.aborted) throw new CliError(EXIT.interrupted, 'interrupted')
}

async function summaries(session: Session): Promise<ServiceSummary[]> {
  return (await session.get<{ items: ServiceSummary[] }>('/v1/services', { view: 'summary' })).body.items
}

/** Keeps the numbers of the last two seconds. */
async function follow(plane: Plane, recent: Map<string, Recent>, signal: AbortSignal): Promise<void> {
  let columns: string[] = []
  const entry = (service: string): Recent => recent.get(service) ?? { callsPerS: null, p95Ms: null, nextStartAt: null }
  for await (const event of plane.events({ type: ['stats', 'service.state'], signal })) {
    if (event.type === 'hello') columns = event.statsColumns
    else if (event.type === 'service.state') {
      recent.set(event.service, { ...entry(event.service), nextStartAt: event.nextStartAt })
    } else if (event.type === 'stats') {
      for (const [service, row] of Object.entries(event.services)) {
        const number = (name: string) => row[columns.indexOf(name)] ?? null
        const callsPerS = (number('callsPerS') ?? 0) + (number('jobsPerS') ?? 0)
        recent.set(service, { ...entry(service), callsPerS, p95Ms: number('p95Ms') })
      }
    }
  }
}

async function draw({ io, print }: Session, services: ServiceSummary[], recent: Map<string, Recent>): Promise<void> {
  const { tableOf, cutTo } = await import('../output/table.ts')
  const { columns: width = 80, rows: height = 24 } = io.stdout
  const sum = (of: (service: ServiceSummary) => number) => services.reduce((total, service) => total + of(service), 0)
  const title = [
    'threadplane',
    `${services.length} services`,
    `${services.filter(({ state }) => state === 'running').length} running`,
    `${sum(({ queue }) => queue.size)} queued`,
    `${sum(({ queue }) => queue.running)} methods`,
    new Date().toTimeString().slice(0, 8),
    'q ends',
  ].join('  ')
  const table = tableOf(services, serviceColumns(recent), {
    width,
    isWide: print.format === 'wide',
    paint: print.paint,
  })
  const lines = [print.paint('inverse', cutTo(title, width).padEnd(width)), '', ...table]
  io.stdout.write(HOME + lines.slice(0, height - 1).join(END_OF_LINE) + END_OF_LINE + REST_OF_SCREEN)
}

export const verbs: Verb[] = [
  {
    usage: 'top',
    summary: 'show the services as they change; q ends',
    group: 'Watch',
    examples: ['threadplane top'],
    run: (session) => top(session),
  },
]
