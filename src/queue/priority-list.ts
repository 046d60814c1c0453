import type { QueuedMethod } from './queued-method.ts'

const PRIORITIES = 10

/**
 * Methods by priority, each priority a doubly linked list: an abort removes a method from the middle in constant time.
 */
export class PriorityList {
  readonly #heads: (QueuedMethod | undefined)[] = new Array(PRIORITIES).fill(undefined)
  readonly #tails: (QueuedMethod | undefined)[] = new Array(PRIORITIES).fill(undefined)
  size = 0

  first(): QueuedMethod | undefined {
    if (this.size === 0) return undefined
    for (let priority = PRIORITIES - 1; priority >= 0; priority -= 1) {
      if (this.#heads[priority] !== undefined) return this.#heads[priority]
    }
    return undefined
  }

  /** When the oldest method was queued; infinite if there is none. Within a priority the first is the oldest. */
  get oldestAt(): number {
    return Math.min(...this.#heads.map((head) => head?.queuedAt ?? Number.POSITIVE_INFINITY))
  }

  add(method: QueuedMethod, end: 'first' | 'last'): void {
    const { priority } = method
    const neighbour = end === 'last' ? this.#tails[priority] : this.#heads[priority]
    method.previous = end === 'last' ? neighbour : undefined
    method.next = end === 'last' ? undefined : neighbour
    this.#link(method)
    this.size += 1
  }

  remove(method: QueuedMethod): void {
    const { previous, next, priority } = method
    if (previous === undefined) this.#heads[priority] = next
    else previous.next = next
    if (next === undefined) this.#tails[priority] = previous
    else next.previous = previous
    method.previous = method.next = undefined
    this.size -= 1
  }

  #link(method: QueuedMethod): void {
    const { previous, next, priority } = method
    if (previous === undefined) this.#heads[priority] = method
    else previous.next = method
    if (next === undefined) this.#tails[priority] = method
    else next.previous = method
  }
}
