/** `call` and `cast`: run a method now, or as a job. */
import type { Job } from '../../../routes/schemas/job.ts'
import { durationMs, wholeNumber } from '../input/numbers.ts'
import { readJson, readPayload } from '../input/payload.ts'
import { methodsOf } from '../methods.ts'
import { jobView } from '../output/job-view.ts'
import { route, type Session } from '../session.ts'
import { textOf, type Verb, type VerbOptions } from '../verb.ts'
import { CliError, EXIT, UsageError } from '../exit-codes.ts'
import { waitForJob } from '../wait-for-job.ts'

const PAYLOAD =
  `The payload is '{"a":1}', @file, - for standard input, or members: a=1 is the text "1", a:=1 is JSON. ` +
  'Without one, the method gets none.'

/** The bytes that a person gave as payload, and their media type. */
async function payloadOf(
  session: Session,
  [service = '', method = '', ...words]: string[],
  options: VerbOptions,
): Promise<{ bytes?: Buffer; type: string }> {
  const { io } = session
  const type = textOf(options, 'contentType')
  if (type !== undefined) {
    const bytes = await readPayload(words, io.stdin)
    return { type, ...(bytes !== undefined && { bytes }) }
  }
  const text = await readJson(words, io.stdin)
  if (!options.edit) return { type: 'application/json', ...(text !== undefined && { bytes: Buffer.from(text) }) }
  if (!io.stdin.isTTY) throw new UsageError('--edit needs a terminal')
  const { edited, exampleOf } = await import('../input/editor.ts')
  const { body } = await methodsOf(session, service, method)
  const begin = text === undefined ? exampleOf(body.items.find(({ name }) => name === method)?.input) : JSON.parse(text)
  const payload = await edited(`${JSON.stringify(begin, null, 2)}\n`, io.env)
  return { type: 'application/json', bytes: Buffer.from((await readJson([payload.trim()], io.stdin)) ?? '') }
}

/** @param saveAs a file for the result, if the person named one */
async function call(session: Session, args: string[], options: VerbOptions): Promise<void> {
  const [service = '', method = ''] = args
  const { bytes, type } = await payloadOf(session, args, options)
  const { io, print, timeoutMs } = session
  const key = textOf(options, 'key')
  const plane = await session.plane()
  const response = await plane.fetch('POST', route`/v1/services/${service}/call/${method}`, {
    headers: { 'content-type': type, ...(key !== undefined && { 'idempotency-key': JSON.stringify(key) }) },
    ...(bytes !== undefined && { body: bytes }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    signal: io.interrupted,
  })
  const returned = response.headers.get('content-type') ?? ''
  const saveAs = textOf(options, 'outputFile')
  if (saveAs !== undefined) {
    const { saveBody } = await import('../save-body.ts')
    await saveBody(response, saveAs)
    return print.note(`the result is in ${saveAs}`)
  }
  if (returned.startsWith('application/json')) return print.write(print.result(await response.text()))
  const isText = returned.startsWith('application/x-ndjson') || returned.startsWith('text/')
  if (!isText && print.width !== undefined) {
    await response.body?.cancel()
    throw new CliError(EXIT.usage, `the result is ${returned}: write it to a file with --output-file`)
  }
  await printBody(session, response)
}

/** Writes the body as it comes. @throws CliError if it ends with a problem, or too early */
async function printBody({ print }: Session, response: Response): Promise<void> {
  const isStream = response.headers.get('content-type')?.startsWith('application/x-ndjson')
  let last = ''
  try {
    for await (const part of response.body ?? []) {
      if (isStream) last = (last + Buffer.from(part as Uint8Array).toString('utf8')).slice(-MAX_PROBLEM_CHARS)
      await print.write(part as Uint8Array)
    }
  } catch (error) {
    // A stream that fails has a problem document as its last line, and the connection is closed before the end.
    const problem = problemIn(last)
    if (problem === undefined) throw error
    throw new CliError(EXIT.failed, `${problem.detail} (${problem.code})`)
  }
}

const MAX_PROBLEM_CHARS = 65_536

function problemIn(text: string): { code: string; detail: string } | undefined {
  try {
    const line = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as { code?: unknown; detail?: unknown }
    return typeof line.code === 'string' ? (line as { code: string; detail: string }) : undefined
  } catch {
    return undefined
  }
}

async function cast(session: Session, args: string[], options: VerbOptions): Promise<void> {
  const [service = '', method = ''] = args
  const { bytes } = await payloadOf(session, args, options)
  const { print, io } = session
  const key = textOf(options, 'key')
  const time = (name: string, flag: string) => {
    const text = textOf(options, name)
    return text === undefined ? undefined : durationMs(flag, text)
  }
  const number = (name: string, flag: string) => {
    const text = textOf(options, name)
    return text === undefined ? undefined : wholeNumber(flag, text)
  }
  const plane = await session.plane()
  const job = (await plane.request('POST', route`/v1/services/${service}/cast/${method}`, {
    query: {
      delayMs: time('delay', '--delay'),
      ttlMs: time('ttl', '--ttl'),
      priority: number('priority', '--priority'),
      maxAttempts: number('maxAttempts', '--max-attempts'),
    },
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': JSON.stringify(key) }),
    },
    ...(bytes !== undefined && { body: bytes }),
    signal: io.interrupted,
  })) as Job
  if (options.wait) return waitForJob(session, job.id)
  await print.write(print.one({ text: JSON.stringify(job), body: job }, jobView))
}

export const verbs: Verb[] = [
  {
    usage: 'call <service> <method> [payload...]',
    summary: 'run a method, and print its result',
    details: `${PAYLOAD} A stream is printed line by line as it comes. The deadline is --timeout, by default 30s.`,
    group: 'Calls and jobs',
    options: {
      '--edit': 'write the payload in $EDITOR',
      '--content-type <type>': 'send the payload as bytes of this media type, such as image/png',
      '--output-file <file>': 'write the result to a file',
      '--key <key>': 'idempotency key: with the same key the method runs once',
    },
    examples: [
      'threadplane call primes count below:=1000',
      `threadplane call primes factorize '{"n":360}'`,
      'echo \'{"below":100}\' | threadplane call primes count -',
    ],
    run: call,
  },
  {
    usage: 'cast <service> <method> [payload...]',
    summary: 'run a method later, as a job, and print the job',
    details: `${PAYLOAD} With --wait the result of the job is printed, as call does; Ctrl-C ends only the wait.`,
    group: 'Calls and jobs',
    options: {
      '--wait': 'wait until the job has finished',
      '--delay <time>': 'do not run it earlier, such as 10m',
      '--ttl <time>': 'let it expire if it has not begun within this time',
      '--priority <0-9>': '9 runs first',
      '--max-attempts <n>': 'how often it is tried',
      '--key <key>': 'idempotency key: with the same key there is one job',
      '--edit': 'write the payload in $EDITOR',
    },
    examples: ['threadplane cast primes count below:=1000 --wait', 'threadplane cast primes count below:=1000 -q'],
    run: cast,
  },
]
