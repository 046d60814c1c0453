/** The items of a stream, for a caller in this process. The thread sends more items only as the caller takes them. */
import { hasCode } from '../contract/errors.ts'
import type { QueuedMethod } from './queued-method.ts'

type End = { error: Error | undefined }

export class ItemStream implements AsyncIterableIterator<unknown> {
  readonly #queued: QueuedMethod
  readonly #items: { item: unknown; cost: number }[] = []
  #end: End | undefined
  readonly #waiting: (() => void)[] = []

  constructor(queued: QueuedMethod) {
    this.#queued = queued
    queued.onItem = (item, cost) => {
      this.#items.push({ item, cost })
      this.#wake()
    }
    queued.whenSettled((error) => {
      this.#end = { error }
      this.#wake()
    })
  }

  /** Resolves once there is an item, or once the stream has ended. */
  async begun(): Promise<void> {
    while (this.#items.length === 0 && this.#end === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The items that came before an error are returned before it is thrown. @throws as `callThread` */
  async next(): Promise<IteratorResult<unknown, undefined>> {
    for (;;) {
      await this.begun()
      const next = this.#items.shift()
      if (next !== undefined) {
        this.#queued.credit(next.cost)
        return { done: false, value: next.item }
      }
      // A concurrent `next()` has taken the item.
      if (this.#end === undefined) continue
      const { error } = this.#end
      this.#end = { error: undefined }
      if (error !== undefined) throw asThrown(error)
      return { done: true, value: undefined }
    }
  }

  /** The caller leaves the iterable early. */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#items.length = 0
    this.#queued.abort('JOB_CANCELLED', 'its items are not taken any more')
    this.#end = { error: undefined }
    this.#wake()
    return { done: true, value: undefined }
  }
}

/** An error that the method itself threw, without the ThreadplaneError around it. */
export function asThrown(error: unknown): unknown {
  return hasCode(error, 'METHOD_FAILED') ? error.cause : error
}
