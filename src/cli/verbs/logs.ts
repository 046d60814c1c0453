/** `logs`: the last lines of the log, and those to come. */
import type { LogGap, LogEnd, LogLine } from '../../client/index.ts'
import { LOG_LEVELS } from '../../contract/log.ts'
import { UsageError } from '../exit-codes.ts'
import { durationMs, wholeNumber } from '../input/numbers.ts'
import { manyLines, oneLine, type Paint, type Style } from '../output/style.ts'
import { clockTime } from '../output/units.ts'
import type { Session } from '../session.ts'
import { textOf, type Verb, type VerbOptions } from '../verb.ts'

const LEVEL_STYLES: Record<LogLine['level'], Style> = {
  trace: 'dim',
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
}
/** Members that are shown at the begin of a line, or are of no use for a person. */
const SHOWN: ReadonlySet<string> = new Set(['id', 'time', 'level', 'service', 'thread', 'msg'])

async function logs(session: Session, service: string | undefined, options: VerbOptions): Promise<void> {
  const [tail, level, since, thread] = ['tail', 'level', 'since', 'thread'].map((name) => textOf(options, name))
  const known = LOG_LEVELS.find((name) => name === level)
  if (level !== undefined && known === undefined) {
    throw new UsageError(`--level is ${JSON.stringify(level)}: it must be one of ${LOG_LEVELS.join(', ')}`)
  }
  const plane = await session.plane()
  await printLines(
    session,
    plane.logs({
      service,
      level: known,
      tail: tail === undefined ? undefined : wholeNumber('--tail', tail),
      since: since === undefined ? undefined : new Date(Date.now() - durationMs('--since', since)).toISOString(),
      thread: thread === undefined ? undefined : wholeNumber('--thread', thread),
      jobId: textOf(options, 'job'),
      search: textOf(options, 'search'),
      follow: options.follow === true,
      signal: session.io.interrupted,
    }),
  )
}

export async function printJobLogs(session: Session, id: string): Promise<void> {
  await printLines(session, (await session.plane()).job(id).logs({ signal: session.io.interrupted }))
}

async function printLines({ io, print }: Session, lines: AsyncIterable<LogLine | LogGap | LogEnd>): Promise<void> {
  for await (const line of lines) {
    if (!print.isForPersons) await print.write(`${JSON.stringify(line)}\n`)
    else if ('msg' in line) await print.write(`${textOfLine(line, print.paint)}\n`)
    else if (line.type === 'gap') print.note(`… ${line.lost ?? 'some'} lines are missing (${line.reason})`)
    else print.note(`… the log ends: ${line.reason}`)
  }
  io.interrupted.throwIfAborted()
}

/** `10:42:07 info  primes#3  greeting  name=Ada`; the stack of an error is below. */
function textOfLine({ err, ...line }: LogLine, paint: Paint): string {
  const { time, level, service = 'server', thread, msg } = line
  const members = Object.entries(line)
    .filter(([name, value]) => !SHOWN.has(name) && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const from = thread === undefined ? service : `${service}#${thread}`
  const words = [
    paint('dim', clockTime(time)),
    paint(LEVEL_STYLES[level], level.padEnd(5)),
    from,
    oneLine(msg),
    paint('dim', oneLine(members.join(' '))),
  ]
  return [words.join('  ').trimEnd(), ...stackLines(err).map((text) => paint('dim', `    ${text}`))].join('\n')
}

function stackLines(error: unknown): string[] {
  if (error === undefined) return []
  const { stack, message } = (error ?? {}) as { stack?: unknown; message?: unknown }
  const text = [stack, message].find((part) => typeof part === 'string') ?? JSON.stringify(error)
  return manyLines(text)
    .split('\n')
    .map((line) => line.trim())
}

export const verbs: Verb[] = [
  {
    usage: 'logs [service]',
    summary: 'print the last lines of the log of a service, or of all and of the server itself',
    group: 'Watch',
    options: {
      '-f, --follow': 'go on with the lines to come, until Ctrl-C',
      '--tail <n>': 'how many lines (default: 100)',
      '--level <level>': `the lowest level: ${LOG_LEVELS.join(', ')}`,
      '--since <time>': 'only lines of the last time, such as 10m',
      '--search <text>': 'only lines that contain it',
      '--job <id>': 'only of this job',
      '--thread <id>': 'only of this thread',
    },
    examples: ['threadplane logs primes --tail 20', 'threadplane logs --level warn --since 10m'],
    run: (session, [service], options) => logs(session, service, options),
  },
]
