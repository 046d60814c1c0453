/** `events`: what has happened in the server, and what happens. */
import type { PlaneEvent } from '../../client/index.ts'
import { oneLine, type Paint, type Style } from '../output/style.ts'
import { clockTime, distance, shortTime } from '../output/units.ts'
import type { Session } from '../session.ts'
import { textOf, type Verb, type VerbOptions } from '../verb.ts'

/** The longest types are longer. */
const TYPE_CHARS = 16

interface Listed {
  items: PlaneEvent[]
  cursor: string
}

async function events(session: Session, options: VerbOptions): Promise<void> {
  const { print, io } = session
  const plane = await session.plane()
  const [type, service, after] = ['type', 'service', 'after'].map((name) => textOf(options, name))
  if (options.follow) {
    const follow = plane.events({ type: type?.split(','), service: service?.split(','), after, signal: io.interrupted })
    for await (const event of follow) await print.write(textOfEvent(event, session))
    io.interrupted.throwIfAborted()
    return
  }
  const listed = (await plane.request('GET', '/v1/events', {
    query: { type, service, after },
    headers: { accept: 'application/json' },
    signal: io.interrupted,
  })) as Listed
  if (print.format === 'json') return print.write(`${JSON.stringify(listed)}\n`)
  for (const event of listed.items) await print.write(textOfEvent(event, session))
}

function textOfEvent(event: PlaneEvent, { print }: Session): string {
  if (print.format === 'name') return `${event.id}\n`
  if (!print.isForPersons) return `${JSON.stringify(event)}\n`
  return event.type === 'hello' ? '' : `${lineOf(event, print.paint)}\n`
}

/** `10:42:07  thread.crashed       primes  exception: Invalid array length`. */
function lineOf(event: PlaneEvent, paint: Paint): string {
  const { at, type } = event
  const { service = '' } = event as { service?: string }
  const words = [
    paint('dim', clockTime(at)),
    paint(styleOf(type), type.padEnd(TYPE_CHARS)),
    service,
    oneLine(factsOf(event)),
  ]
  return words.filter((word) => word !== '').join('  ')
}

/** What has happened, in words. */
function factsOf(event: PlaneEvent): string {
  switch (event.type) {
    case 'service.state': {
      const next = event.nextStartAt === null ? '' : `, starts in ${distance(event.nextStartAt, Date.parse(event.at))}`
      return `${event.from} → ${event.state}${next}${event.reason === null ? '' : `: ${event.reason}`}`
    }
    case 'thread.crashed':
      return `thread ${event.thread.id}, ${event.cause}: ${event.error.message}${event.jobId ? ` (job ${event.jobId})` : ''}`
    case 'thread.started':
      return `thread ${event.thread.id} in ${shortTime(event.tookMs)}`
    case 'thread.ended':
      return `thread ${event.thread.id}, ${event.reason}`
    case 'gap':
      return `${event.lost ?? 'some'} events are missing (${event.reason})`
    default:
      return 'job' in event ? jobFacts(event) : otherFacts(event)
  }
}

function jobFacts({ job, error, progress }: Extract<PlaneEvent, { job: unknown }>): string {
  const { id, service, method, attempts } = job
  const share = progress === undefined ? '' : ` ${Math.round(progress.fraction * 100)} %`
  return `${service}.${method}  ${id}  attempt ${attempts}${share}${error === undefined ? '' : `: ${error.message}`}`
}

function otherFacts(event: PlaneEvent): string {
  return Object.entries(event)
    .filter(([name, value]) => !['id', 'at', 'type', 'service'].includes(name) && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

function styleOf(type: string): Style | undefined {
  if (/crashed|failed|stuck|unresponsive|gap/.test(type)) return 'red'
  return /started|succeeded|registered|responsive/.test(type) ? 'green' : undefined
}

export const verbs: Verb[] = [
  {
    usage: 'events',
    summary: 'print what has happened in the server, as far as it is kept; with -f, what happens',
    group: 'Watch',
    options: {
      '-f, --follow': 'follow what happens from now on, until Ctrl-C',
      '--type <types>': 'with commas between them: service.state, job.*, audit, … (default: no jobs but failed ones)',
      '--service <names>': 'only of these services, with commas between them',
      '--after <cursor>': 'go on after the event with this id, or from the earliest that is kept',
    },
    examples: ['threadplane events --type service.*', 'threadplane events -o ndjson'],
    run: (session, _args, options) => events(session, options),
  },
]
