/** Calls from this process to the methods of a module: their types, their options, and what the caller gets. */
import type { z } from 'zod'
import type { MethodDefinition, ServiceDefinition } from '../module/define-service.ts'
import { asThrown, ItemStream } from '../queue/item-stream.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'

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

/** @throws RangeError */
export function checkPriority(priority: number): void {
  if (!PRIORITIES.includes(priority)) throw new RangeError(`a priority is an integer from 0 to 9, not ${priority}`)
}

/**
 * Settles with the result of a method that does not stream. No `await` on its way: one promise per step would be an eighth
 * of the cost of a round trip.
 */
export function resultOf(queued: QueuedMethod): Promise<unknown> {
  return new Promise((resolve, reject) => {
    queued.whenSettled((error, value) => (error === undefined ? resolve(value) : reject(asThrown(error) as Error)))
  })
}

/**
 * Settles with the items of a method that streams, else with its result. Whether the method streams is asked once there is
 * an item or the result: the module has described itself by then.
 */
export async function itemsOrResultOf(queued: QueuedMethod, streams: () => boolean | undefined): Promise<unknown> {
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
