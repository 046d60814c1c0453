/** `plane.service(name)`: the methods of a service as functions. Their types come from its module, nothing else does. */
import type { ServiceDefinition } from '../module/define-service.ts'
import type { Job as JobRecord } from '../../routes/schemas/job.ts'
import { Deadline } from './deadline.ts'
import { messagesOf } from './event-stream.ts'
import { Job } from './job.ts'
import type { CallOptions, CastOptions, ItemStream, ServiceHandle } from './method-types.ts'
import { errorOfProblem, networkError, PlaneError } from './plane-error.ts'
import { readJson, type Transport } from './transport.ts'

/** A method that streams answers with server-sent events, where an error after the first item cannot be mistaken. */
const ACCEPT = 'text/event-stream, application/json;q=0.9, */*;q=0.8'

export function serviceHandle<Definition extends ServiceDefinition>(
  transport: Transport,
  name: string,
): ServiceHandle<Definition> {
  const path = `/v1/services/${encodeURIComponent(name)}`
  const call = byName((method) => (payload: unknown, options: CallOptions = {}) => {
    return withItems(callMethod(transport, `${path}/call/${encodeURIComponent(method)}`, payload, options))
  })
  const cast = byName((method) => (payload: unknown, options: CastOptions = {}) => {
    return castMethod(transport, `${path}/cast/${encodeURIComponent(method)}`, payload, options)
  })
  return { name, call, cast } as ServiceHandle<Definition>
}

/** An object with a function for each name. */
function byName(functionOf: (name: string) => unknown): object {
  return new Proxy({}, { get: (_target, name) => (typeof name === 'string' ? functionOf(name) : undefined) })
}

async function callMethod(
  transport: Transport,
  path: string,
  payload: unknown,
  { timeoutMs = transport.timeoutMs, signal, idempotent, idempotencyKey, contentType, traceparent }: CallOptions,
): Promise<unknown> {
  const deadline = new Deadline(timeoutMs, signal)
  let streams = false
  try {
    const headers = { accept: ACCEPT, ...headersOf({ idempotencyKey, contentType, traceparent }) }
    return await transport.send('POST', path, { body: payload, headers, idempotent }, deadline, async (response) => {
      const type = response.headers.get('content-type') ?? ''
      if (type.startsWith('text/event-stream') && response.body !== null) {
        streams = true
        return itemsOf(response, response.body, deadline)
      }
      return /^application\/json(;|$)/.test(type) ? readJson(response) : new Uint8Array(await response.arrayBuffer())
    })
  } finally {
    if (!streams) deadline.end()
  }
}

async function castMethod(
  transport: Transport,
  path: string,
  payload: unknown,
  { timeoutMs = transport.timeoutMs, signal, idempotencyKey, traceparent, ...options }: CastOptions,
): Promise<Job<unknown>> {
  const { delayMs, priority, maxAttempts, ttlMs } = options
  const query = { delayMs, priority, maxAttempts, ttlMs }
  const deadline = new Deadline(timeoutMs, signal)
  try {
    const request = { body: payload, query, headers: headersOf({ idempotencyKey, traceparent }) }
    const { id } = (await transport.send('POST', path, request, deadline, readJson)) as JobRecord
    return new Job(transport, id)
  } finally {
    deadline.end()
  }
}

function headersOf({ idempotencyKey, contentType, traceparent }: CallOptions): Record<string, string> {
  return {
    ...(idempotencyKey !== undefined && { 'idempotency-key': `"${idempotencyKey}"` }),
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(traceparent !== undefined && { traceparent }),
  }
}

/** The items of an answer that has begun. The deadline goes on until their end. */
async function* itemsOf(
  response: Response,
  body: ReadableStream<Uint8Array>,
  deadline: Deadline,
): AsyncGenerator<unknown, void, void> {
  try {
    for await (const { event, data } of messagesOf(body)) {
      if (event === 'end') return
      if (event === 'error') throw errorOfProblem(response.status, data, null)
      yield JSON.parse(data) as unknown
    }
    throw new Error('the stream has no end')
  } catch (thrown) {
    if (deadline.signal.aborted) throw deadline.signal.reason
    throw thrown instanceof PlaneError ? thrown : networkError(response.url, thrown)
  } finally {
    deadline.end()
  }
}

/** The result may be waited for, and be iterated if it is one of a method that streams. */
function withItems(answer: Promise<unknown>): ItemStream<unknown> {
  const iterate = async function* () {
    yield* (await answer) as AsyncIterable<unknown>
  }
  return Object.assign(answer, { [Symbol.asyncIterator]: iterate }) as ItemStream<unknown>
}
