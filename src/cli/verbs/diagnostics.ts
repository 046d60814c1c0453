/** Verbs that look into running threads: `stack`, `profile`, `heap`. */
import type { StackList } from '../../../routes/schemas/stack.ts'
import { UsageError } from '../exit-codes.ts'
import { wholeNumber } from '../input/numbers.ts'
import type { Paint } from '../output/style.ts'
import { route, type Session } from '../session.ts'
import { textOf, type Verb, type VerbOptions } from '../verb.ts'
import { watch } from '../watch.ts'

function linesOfStacks({ items }: StackList, paint: Paint): string[] {
  return items.flatMap(({ id, state, node, frames }) => [
    paint('bold', `thread ${id}`) + ` ${state}${node === undefined ? '' : ` on ${node}`}`,
    ...frames.map(
      ({ function: name, url, line, column }) => `  at ${name || '(anonymous)'} (${shortUrl(url)}:${line}:${column})`,
    ),
  ])
}

function shortUrl(url: string): string {
  return url.startsWith('file://') ? decodeURIComponent(new URL(url).pathname) : url
}

/** Sends the request that makes a file, and says where the file is. */
async function record(session: Session, path: string, body: object, lastsMs: number, options: VerbOptions) {
  const { io, print } = session
  const [thread, node] = [textOf(options, 'thread'), textOf(options, 'node')]
  const plane = await session.plane()
  const response = await plane.fetch('POST', path, {
    body: {
      ...body,
      ...(thread !== undefined && { thread: wholeNumber('--thread', thread) }),
      ...(node !== undefined && { node }),
    },
    timeoutMs: lastsMs + (session.timeoutMs ?? MORE_MS),
    signal: io.interrupted,
    // Who records twice measures the first recording.
    retry: false,
  })
  const [, named = 'profile'] = /filename="([\w.-]+)"/.exec(response.headers.get('content-disposition') ?? '') ?? []
  const file = textOf(options, 'outputFile') ?? named
  const { saveBody } = await import('../save-body.ts')
  await saveBody(response, file)
  await print.write(`${file}\n`)
}

/** What the server may need beside the recording. */
const MORE_MS = 60_000

/** A snapshot of a large heap takes minutes. */
const SNAPSHOT_MS = 240_000

const FILE_OPTIONS = {
  '--thread <id>': 'of this thread (default: the first)',
  '--node <name>': 'in a cluster: on this node',
  '--output-file <file>': 'where to write it (default: the name that the server gives it, in this folder)',
}

export const verbs: Verb[] = [
  {
    usage: 'stack <service>',
    summary: 'show the present JavaScript stack of each thread, also of one that hangs',
    group: 'Diagnose',
    options: { '-w, --watch': 'show it again every 2 s, until Ctrl-C' },
    examples: ['threadplane stack primes'],
    run: (session, [service = ''], options) =>
      watch(session, options, async () =>
        session.print.one(await session.get<StackList>(route`/v1/services/${service}/stack`), {
          lines: linesOfStacks,
          nameOf: ({ items }) => items.map(({ id }) => id).join('\n'),
        }),
      ),
  },
  {
    usage: 'profile <service>',
    summary: 'record what a thread does, into a file, and print the name of the file',
    details: 'Open the file in the developer tools of a browser, or at speedscope.app.',
    group: 'Diagnose',
    options: {
      '--kind <kind>': 'cpu or allocations (default: cpu)',
      '--seconds <n>': 'how long, from 1 to 120 (default: 10)',
      ...FILE_OPTIONS,
    },
    examples: ['threadplane profile primes --seconds 1 --output-file primes.cpuprofile'],
    run: async (session, [service = ''], options) => {
      const kind = textOf(options, 'kind') ?? 'cpu'
      if (kind !== 'cpu' && kind !== 'allocations') {
        throw new UsageError(`--kind is ${JSON.stringify(kind)}: it must be cpu or allocations`)
      }
      const seconds = wholeNumber('--seconds', textOf(options, 'seconds') ?? '10')
      await record(session, route`/v1/services/${service}/profile`, { kind, seconds }, seconds * 1_000, options)
    },
  },
  {
    usage: 'heap <service>',
    summary: 'write a heap snapshot of a thread into a file, and print the name of the file',
    details: 'The thread does nothing else meanwhile. The file has the values of the service in it, secrets too.',
    group: 'Diagnose',
    options: { '--force': 'also if memory may not be enough', ...FILE_OPTIONS },
    examples: ['threadplane heap primes --output-file primes.heapsnapshot'],
    run: (session, [service = ''], options) =>
      record(
        session,
        route`/v1/services/${service}/heap-snapshot`,
        { force: options.force === true },
        SNAPSHOT_MS,
        options,
      ),
  },
]
