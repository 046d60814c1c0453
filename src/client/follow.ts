/**
 * Streams that do not end: a connection that is cut is opened again, and goes on after the last message that arrived.
 * What is missing after that, the server says in a message of type `gap`.
 */
import { Deadline, sleep } from './deadline.ts'
import { messagesOf, type StreamMessage } from './event-stream.ts'
import type { LogLine } from './events.ts'
import { isTransient, networkError, PlaneError } from './plane-error.ts'
import type { RequestOptions, Transport } from './transport.ts'

const ACCEPT = { accept: 'text/event-stream' }
const FIRST_RECONNECT_MS = 1_000
const MAX_RECONNECT_MS = 30_000
/** The server sends a heartbeat every 15 s: a connection that is silent for longer than three of them is dead. */
const SILENT_MS = 50_000

type StreamRequest = Pick<RequestOptions, 'query' | 'timeoutMs' | 'signal'>

/** Half of the delay at least, so that a server that comes back is not asked by all clients at once. */
export function reconnectDelayMs(failures: number, random: number): number {
  return Math.min(FIRST_RECONNECT_MS * 2 ** failures, MAX_RECONNECT_MS) * (0.5 + random / 2)
}

/**
 * The messages of a stream, over as many connections as it takes, until `signal` fires: then it ends, without an error.
 * @throws PlaneError if the first connection fails, or the server refuses a later one for good
 */
export async function* follow<Message>(
  transport: Transport,
  path: string,
  { query, signal = new AbortController().signal }: StreamRequest,
): AsyncGenerator<Message, void, void> {
  let cursor: string | undefined
  let isFirst = true
  let failures = 0
  while (!signal.aborted) {
    let delayMs: number | undefined
    try {
      const headers = { ...ACCEPT, ...(cursor !== undefined && { 'last-event-id': cursor }) }
      for await (const { id, data } of connect(transport, path, { query, headers, signal, retry: isFirst })) {
        isFirst = false
        failures = 0
        cursor = id ?? cursor
        yield JSON.parse(data) as Message
      }
      // The server has ended it.
    } catch (thrown) {
      if (signal.aborted) return
      const error = thrown instanceof PlaneError ? thrown : networkError(path, thrown)
      if (isFirst || !isTransient(error)) throw error
      delayMs = error.retryAfterMs
    }
    isFirst = false
    // When the signal fires, the loop ends.
    await sleep(delayMs ?? reconnectDelayMs(failures, Math.random()), signal).catch(() => {})
    failures += 1
  }
}

/** The messages of one connection. @throws what it fails with; PlaneError CONNECTION_LOST if it is silent for too long */
async function* connect(
  transport: Transport,
  path: string,
  { signal, ...request }: RequestOptions & { signal: AbortSignal },
): AsyncGenerator<StreamMessage, void, void> {
  const silent = new AbortController()
  const deadline = new Deadline(transport.timeoutMs, AbortSignal.any([signal, silent.signal]))
  let timer: ReturnType<typeof setTimeout> | undefined
  const listen = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      const facts = { status: 0, code: 'CONNECTION_LOST', retryable: true } as const
      silent.abort(new PlaneError(`nothing has come for ${SILENT_MS} ms`, facts))
    }, SILENT_MS)
  }
  try {
    const response = await transport.send('GET', path, request, deadline, async (answer) => answer)
    deadline.end()
    listen()
    yield* messagesOf(bodyOf(response), listen)
  } finally {
    clearTimeout(timer)
    deadline.end()
  }
}

/** @throws PlaneError INVALID_ANSWER */
function bodyOf({ status, url, body, headers }: Response): ReadableStream<Uint8Array> {
  if (body !== null && headers.get('content-type')?.startsWith('text/event-stream')) return body
  const facts = { status, code: 'INVALID_ANSWER', retryable: false } as const
  throw new PlaneError(`the answer of ${url} is no stream of events`, facts)
}

/** The lines of a log that are kept now. @throws PlaneError */
export async function* linesOf(
  transport: Transport,
  path: string,
  { query, timeoutMs = transport.timeoutMs, signal }: StreamRequest,
): AsyncGenerator<LogLine, void, void> {
  const deadline = new Deadline(timeoutMs, signal)
  try {
    const response = await transport.send('GET', path, { query, headers: ACCEPT }, deadline, async (answer) => answer)
    for await (const { data } of messagesOf(bodyOf(response))) yield JSON.parse(data) as LogLine
  } catch (thrown) {
    if (deadline.signal.aborted) throw deadline.signal.reason
    throw thrown instanceof PlaneError ? thrown : networkError(path, thrown)
  } finally {
    deadline.end()
  }
}
