/** A time zone of the IANA database, as this Node knows it: what its clocks show, and when they are changed. */

/** Clocks are changed by at most a day, and not twice within this time. */
const LOOK_MS = 26 * 60 * 60 * 1_000
const SECOND_MS = 1_000
/** Formatters are slow to create, and are kept for so many zones. */
const KEPT_ZONES = 64

const zones = new Map<string, TimeZone>()

/**
 * Times are instants, in milliseconds since the epoch. A *wall time* is what a clock on the wall shows, as the instant at
 * which a clock in UTC shows the same.
 */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat

  private constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset', year: 'numeric' })
  }

  /** @throws RangeError if this Node does not know the zone */
  static of(name: string): TimeZone {
    let zone = zones.get(name)
    if (zone === undefined) {
      zone = new TimeZone(name)
      if (zones.size >= KEPT_ZONES) zones.clear()
      zones.set(name, zone)
    }
    return zone
  }

  /** Wall time minus instant. */
  offsetAt(instant: number): number {
    const [, sign, hours, minutes, seconds = '0'] =
      /GMT([+\u2212-])(\d+):(\d+)(?::(\d+))?$/.exec(this.#format.format(instant)) ?? []
    if (sign === undefined) return 0
    const size = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * SECOND_MS
    return sign === '+' ? size : -size
  }

  /** The first instant with another offset than `from`. There is one change of the clocks between the two instants. */
  #changeBetween(from: number, to: number): number {
    const offset = this.offsetAt(from)
    let [before, after] = [Math.floor(from / SECOND_MS), Math.ceil(to / SECOND_MS)]
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (this.offsetAt(middle * SECOND_MS) === offset) before = middle
      else after = middle
    }
    return after * SECOND_MS
  }

  /** The instants at which clocks show a wall time: none if it is skipped, two if it comes twice. */
  instantsOf(wall: number): number[] {
    const { change, before, after } = this.#around(wall)
    if (change === undefined) return [wall - before]
    const instants: number[] = []
    if (wall - before < change) instants.push(wall - before)
    if (wall - after >= change) instants.push(wall - after)
    return instants
  }

  /** The first instant at which clocks have reached a wall time: the end of the gap, if it is skipped. */
  whenReached(wall: number): number {
    const { change = Number.POSITIVE_INFINITY } = this.#around(wall)
    return this.instantsOf(wall)[0] ?? change
  }

  /** The change of the clocks near a wall time, if there is one, and the offsets before and after it. */
  #around(wall: number): { change?: number; before: number; after: number } {
    const [from, to] = [wall - LOOK_MS, wall + LOOK_MS]
    const [before, after] = [this.offsetAt(from), this.offsetAt(to)]
    return before === after ? { before, after } : { change: this.#changeBetween(from, to), before, after }
  }

  /** The latest wall time that clocks have shown so far. It is later than the present one after they were set back. */
  latestShown(instant: number): number {
    const [before, now] = [this.offsetAt(instant - LOOK_MS), this.offsetAt(instant)]
    if (before <= now) return instant + now
    const change = this.#changeBetween(instant - LOOK_MS, instant)
    return Math.max(instant + now, change + before - SECOND_MS)
  }

  /** The next instant, soon after this one, at which clocks are set back, and the wall time that they show then. */
  nextSetBack(instant: number): { change: number; wall: number } | undefined {
    const after = this.offsetAt(instant + LOOK_MS)
    if (after >= this.offsetAt(instant)) return undefined
    const change = this.#changeBetween(instant, instant + LOOK_MS)
    return { change, wall: change + after }
  }
}
