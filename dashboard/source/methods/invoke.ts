/** Sends a call or a cast, and says what came back. */
import type { Job } from '../../../routes/schemas/job.ts'
import { send } from '../api/request.ts'
import { castQuery, type Invocation } from './copy-as.ts'
import { ItemStream } from './item-stream.ts'

interface Timing {
  status: number
  tookMs: number
}

export type Answer =
  | ({ kind: 'json'; text: string; value: unknown } & Timing)
  | ({ kind: 'bytes'; blob: Blob; type: string } & Timing)
  /** `tookMs`: until the first item. */
  | ({ kind: 'items'; stream: ItemStream } & Timing)
  | ({ kind: 'job'; job: Job } & Timing)

/** @param file the body of a method that takes bytes. @throws ApiError; an AbortError after `signal` */
export async function invoke(invocation: Invocation, file: Blob | undefined, signal: AbortSignal): Promise<Answer> {
  const { service, method, mode, payload, bytesType, options } = invocation
  const { timeoutMs, idempotencyKey } = options
  const path = `/v1/services/${encodeURIComponent(service)}/${mode}/${encodeURIComponent(method)}`
  const since = performance.now()
  const response = await send('POST', mode === 'cast' ? path + castQuery(options) : path, {
    headers: {
      accept: 'text/event-stream, application/json, */*',
      ...(bytesType !== undefined && { 'content-type': bytesType }),
      ...(timeoutMs !== undefined && { 'request-timeout': `${timeoutMs}ms` }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
    ...(file !== undefined && { body: file }),
    ...(file === undefined && payload !== undefined && { json: payload }),
    signal,
  })
  const { status } = response
  const type = response.headers.get('content-type')?.split(';')[0] ?? ''
  const timing = () => ({ status, tookMs: performance.now() - since })
  if (type === 'text/event-stream' && response.body !== null) {
    return { kind: 'items', stream: new ItemStream(response.body), ...timing() }
  }
  if (type !== 'application/json') return { kind: 'bytes', blob: await response.blob(), type, ...timing() }
  const text = await response.text()
  const value = JSON.parse(text) as unknown
  return status === 202 ? { kind: 'job', job: value as Job, ...timing() } : { kind: 'json', text, value, ...timing() }
}
