/**
 * Group commit over connections: operations that arrive while one transaction is under way go together into the next. So
 * a thousand casts cost a few statements, and a lone one waits for nothing.
 */
import { Deferred } from '../async/deferred.ts'
import { hasCode } from '../contract/errors.ts'
import type { StoreMeter } from './store-meter.ts'
import { isUndone } from './database-errors.ts'

/** What one statement takes at most, unless a single operation is larger. */
const GROUP_ITEMS = 256
const GROUP_BYTES = 4 * 1024 * 1024
/** A statement that the database has undone, as two waited for each other, is repeated so many times. */
const TRIES = 5

export interface BatchOptions<In, Out> {
  /** Writes a group in one transaction, and answers in its order. */
  write: (group: In[]) => Promise<Out[]>
  /** Groups that may be under way at the same time. */
  lanes: number
  items: (value: In) => number
  bytes: (value: In) => number
  meter: StoreMeter
}

interface Waiting<In, Out> {
  value: In
  answer: Deferred<Out>
}

export class Batch<In, Out> {
  readonly #options: BatchOptions<In, Out>
  #waiting: Waiting<In, Out>[] = []
  #underWay = 0
  #isScheduled = false

  constructor(options: BatchOptions<In, Out>) {
    this.#options = options
  }

  /** Operations that wait for a group. */
  get size(): number {
    return this.#waiting.length
  }

  push(value: In): Promise<Out> {
    const answer = new Deferred<Out>()
    this.#waiting.push({ value, answer })
    if (!this.#isScheduled) {
      this.#isScheduled = true
      // At the end of the turn: clients that were answered together send their next requests together.
      setImmediate(() => {
        this.#isScheduled = false
        this.#start()
      })
    }
    return answer.promise
  }

  #start(): void {
    while (this.#underWay < this.#options.lanes && this.#waiting.length > 0) {
      this.#underWay += 1
      void this.#write(this.#nextGroup()).finally(() => {
        this.#underWay -= 1
        this.#start()
      })
    }
  }

  #nextGroup(): Waiting<In, Out>[] {
    let items = 0
    let bytes = 0
    let count = 0
    for (const { value } of this.#waiting) {
      items += this.#options.items(value)
      bytes += this.#options.bytes(value)
      if (count > 0 && (items > GROUP_ITEMS || bytes > GROUP_BYTES)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #write(group: Waiting<In, Out>[]): Promise<void> {
    try {
      const answers = await this.#repeatedly(group.map(({ value }) => value))
      for (const [index, { answer }] of group.entries()) answer.resolve(answers[index] as Out)
    } catch (error) {
      // One operation that the database refuses is refused alone.
      if (group.length > 1 && !hasCode(error, 'JOURNAL_UNAVAILABLE')) {
        for (const each of group) await this.#write([each])
      } else for (const { answer } of group) answer.reject(error as Error)
    }
  }

  async #repeatedly(values: In[]): Promise<Out[]> {
    const { write, items, meter } = this.#options
    const jobs = values.reduce((sum, value) => sum + items(value), 0)
    for (let tries = 1; ; tries += 1) {
      try {
        return await meter.measure(jobs, () => write(values))
      } catch (error) {
        if (!isUndone(error) || tries === TRIES) throw error
      }
    }
  }
}
