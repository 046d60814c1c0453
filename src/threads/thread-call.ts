/**
 * Calls and casts from this process to the methods of a module: their types, their options, and what the caller gets.
 */
import type { z } from 'zod'
import type { ServiceDescription } from '../contract/description.ts'
import { METHOD_DEFAULTS } from '../contract/options.ts'
import { uuidv7 } from '../contract/uuidv7.ts'
import type { MethodDefinition, ServiceDefinition } from '../module/define-service.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { asThrown, ItemStream } from '../queue/item-stream.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import { QueuedMethod } from '../queue/queued-method.ts'

export type MethodsOf<Module extends ServiceDefinition> = Module['methods']
export type PayloadOf<Method> = Method extends MethodDefinition<infer Input, z.ZodType> ? z.input<Input> : never
export type ResultOf<Method> = Method extends MethodDefinition<infer _Input, infer Output> ? z.output<Output> : never

export interface CallOptions {
  /** Aborted before the method begins, the method is not run; afterwards, the method's own signal fires. */
  signal?: AbortSignal
  /** From now on, the wait in the queue included, in milliseconds. Default: the method's `timeoutMs`. */
  timeoutMs?: number
  /** 0 to 9, 9 first. Default: the method's. */
  priority?: number
}

const PRIORITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** A QueueServiceThread. */
interface Callee {
  readonly name: string
  readonly description: ServiceDescription | undefined
  readonly methodQueue: MethodQueue
}

/** @throws QUEUE_FULL; RangeError if the priority is invalid */
export function enqueue(
  { name: service, description, methodQueue }: Callee,
  kind: 'call' | 'cast',
  method: string,
  payload: unknown,
  options: CallOptions,
): QueuedMethod {
  const known = description?.methods[method]?.options ?? METHOD_DEFAULTS
  const { priority = known.priority } = options
  if (!PRIORITIES.includes(priority)) throw new RangeError(`a priority is an integer from 0 to 9, not ${priority}`)
  const queued = new QueuedMethod({
    service,
    method,
    // Copied when they are posted, not transferred: the bytes stay the caller's.
    payload: payload instanceof Uint8Array ? new BytePayload(undefined, [payload]) : payload,
    kind,
    format: 'clone',
    job: { id: uuidv7(), attempt: 1 },
    bytes: 0,
    priority,
    timeoutMs: known.timeoutMs,
  })
  methodQueue.enqueue(queued)
  if (kind === 'call') queued.expireAfter(options.timeoutMs ?? known.timeoutMs)
  return queued
}

/**
 * Settles with the result of a method, or with its items if the method streams. No `await` on the way of a result: one
 * promise per step would be an eighth of the cost of a round trip.
 */
export function answerOf(callee: Callee, queued: QueuedMethod): Promise<unknown> {
  const streams = () => callee.description?.methods[queued.method]?.streams
  if (callee.description !== undefined && !streams()) return resultOf(queued)
  return itemsOrResultOf(queued, streams)
}

function resultOf(queued: QueuedMethod): Promise<unknown> {
  return new Promise((resolve, reject) => {
    queued.whenSettled((error, value) => (error === undefined ? resolve(value) : reject(asThrown(error) as Error)))
  })
}

/** Asks whether the method streams only at its first item or its result: the module has described itself by then. */
async function itemsOrResultOf(queued: QueuedMethod, streams: () => boolean | undefined): Promise<unknown> {
  const items = new ItemStream(queued)
  await items.begun()
  return streams() && !queued.failedAtOnce ? items : resultOf(queued)
}

/** Aborts a call when its signal fires. */
export function abortWith(signal: AbortSignal, queued: QueuedMethod): void {
  const abort = () => queued.abort('JOB_CANCELLED', `the call of ${queued.service}.${queued.method} was aborted`)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  queued.whenSettled(() => signal.removeEventListener('abort', abort))
}
