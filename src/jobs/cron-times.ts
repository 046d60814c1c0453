/**
 * The times that a cron expression names in a time zone. The library `croner` knows the expressions; it is asked about wall
 * times only, as if all clocks showed UTC. What happens where clocks are changed is decided here, by the hours that the
 * expression names:
 *
 * - **Every hour**, as in `15 * * * *`: the times are intervals. Each instant at which a clock shows one of them counts: a
 *   skipped one does not, and one that comes twice counts twice.
 * - **Some hours**, as in `0 2,14 * * *`: each time counts once a day. One that is skipped counts at the end of the gap,
 *   and of one that comes twice the first counts. So a time counts when clocks first reach it.
 */
import { Cron, CronPattern } from 'croner'
import { TimeZone } from './time-zone.ts'

const MODE = '5-or-6-parts'
const SECOND_MS = 1_000

export class CronTimes {
  readonly #zone: TimeZone
  readonly #wallTimes: Cron
  readonly #everyHour: boolean

  /** @throws Error if the expression cannot be read; RangeError if this Node does not know the time zone */
  constructor(cron: string, timezone: string) {
    this.#zone = TimeZone.of(timezone)
    // `Cron` takes a text with a colon for a date; the pattern alone refuses it.
    const { hour } = new CronPattern(cron, undefined, { mode: MODE })
    this.#everyHour = hour.every(Boolean)
    this.#wallTimes = new Cron(cron, { mode: MODE, utcOffset: 0, paused: true })
  }

  /** The first time after an instant, in milliseconds since the epoch; `undefined` if there is none. */
  next(after: number): number | undefined {
    return this.#everyHour ? this.#nextShown(after) : this.#nextReached(after)
  }

  #nextReached(after: number): number | undefined {
    const wall = this.#nextWall(this.#zone.latestShown(after))
    return wall && this.#zone.whenReached(wall)
  }

  #nextShown(after: number): number | undefined {
    const zone = this.#zone
    let wall = after + zone.offsetAt(after)
    let next: number | undefined
    do {
      const following = this.#nextWall(wall)
      if (following === undefined) return undefined
      wall = following
      next = zone.instantsOf(wall).find((instant) => instant > after)
    } while (next === undefined)
    const setBack = zone.nextSetBack(after)
    if (setBack === undefined || setBack.change > next) return next
    // Clocks show again what they have shown before.
    const again = this.#nextWall(setBack.wall - SECOND_MS)
    return again === undefined ? next : Math.min(next, setBack.change + again - setBack.wall)
  }

  #nextWall(after: number): number | undefined {
    return this.#wallTimes.nextRun(new Date(after))?.getTime()
  }

  /** The last time after an instant that has come by `now`; `undefined` if none has. */
  last(after: number, now: number): number | undefined {
    const hasCome = (time: number | undefined) => time !== undefined && time <= now
    if (!hasCome(this.next(after))) return undefined
    let [from, to] = [after, now]
    while (to - from > SECOND_MS) {
      const middle = Math.floor((from + to) / 2)
      if (hasCome(this.next(middle))) from = middle
      else to = middle
    }
    return this.next(from)
  }
}
