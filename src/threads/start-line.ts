/**
 * Threads start a few at a time, in the order in which they were asked for. To load a module takes a processor: if
 * hundreds of threads loaded theirs at once, all of them would be late. Every start takes a turn: of a service, of a
 * thread that describes its module, after a crash, and of a replacement. `startTimeoutMs` counts from the turn.
 *
 * A turn is short. A start that waits, for a database perhaps, uses no processor and is not to hold up the others: its
 * turn ends after `timings.startTurnMs`, and the start goes on without one. So no two starts can wait for each other.
 */
import { availableParallelism } from 'node:os'
import { ThreadplaneError } from '../contract/errors.ts'
import { timings } from './timings.ts'

/** Threads that start at the same time: one for each processor, and two at least. */
export const STARTS_AT_A_TIME = Math.max(availableParallelism(), 2)

interface Waiting {
  begin: () => void
}

export class StartLine {
  readonly #atATime: number
  readonly #waiting = new Set<Waiting>()
  #turns = 0

  constructor(atATime = STARTS_AT_A_TIME) {
    this.#atATime = atATime
  }

  /** How many starts wait for their turn. */
  get length(): number {
    return this.#waiting.size
  }

  /**
   * Resolves when it is the turn of this start, with a function that ends the turn; it may be called twice.
   * @param signal takes the start out of the line
   * @throws CONFLICT if the signal fires first
   */
  async turn(service: string, signal: AbortSignal): Promise<() => void> {
    const conflict = () => new ThreadplaneError('CONFLICT', `${service} was stopped while it started`, { service })
    if (signal.aborted) throw conflict()
    if (this.#turns < this.#atATime) return this.#begin()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting)
        reject(conflict())
      }
      const waiting = {
        begin: () => {
          signal.removeEventListener('abort', leave)
          resolve(this.#begin())
        },
      }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #begin(): () => void {
    this.#turns += 1
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      this.#turns -= 1
      const [next] = this.#waiting
      if (next === undefined) return
      this.#waiting.delete(next)
      next.begin()
    }
    const timer = setTimeout(end, timings.startTurnMs).unref()
    return end
  }
}

/** The one of this process. */
export const startLine = new StartLine()
