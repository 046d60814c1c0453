/** How many schedules there may be, and how large their payloads (P5). All of it is decided before a schedule is stored. */
import { ThreadplaneError } from '../contract/errors.ts'
import type { Schedule } from './job-store.ts'

const MAX_SCHEDULES = 10_000
const MAX_SCHEDULES_OF_SERVICE = 1_000
export const MAX_PAYLOAD_BYTES = 256 * 1024
/** Of all schedules. */
const MAX_PAYLOADS_BYTES = 64 * 1024 * 1024

type Sized = Pick<Schedule, 'service' | 'name' | 'payloadBytes'>

export class ScheduleRoom {
  readonly #known: ReadonlyMap<string, { schedule: Sized }>
  /** Schedules that are being stored. */
  readonly #storing = new Set<Sized>()

  constructor(known: ReadonlyMap<string, { schedule: Sized }>) {
    this.#known = known
  }

  /** @throws PAYLOAD_TOO_LARGE, CONFLICT */
  check(schedule: Sized): void {
    const { service, name, payloadBytes } = schedule
    if (payloadBytes > MAX_PAYLOAD_BYTES) {
      const detail = `the payload of a schedule takes at most ${MAX_PAYLOAD_BYTES} bytes; this one is ${payloadBytes}`
      throw new ThreadplaneError('PAYLOAD_TOO_LARGE', detail, { service })
    }
    let [count, ofService, bytes] = [1, 1, payloadBytes]
    const add = (other: Sized) => {
      if (other.service === service && other.name === name) return
      count += 1
      bytes += other.payloadBytes
      if (other.service === service) ofService += 1
    }
    for (const known of this.#known.values()) add(known.schedule)
    for (const other of this.#storing) add(other)
    const refuse = (detail: string) =>
      new ThreadplaneError('CONFLICT', `${detail}: delete schedules that are not needed any more`, { service })
    if (ofService > MAX_SCHEDULES_OF_SERVICE)
      throw refuse(`${service} has ${MAX_SCHEDULES_OF_SERVICE} schedules already`)
    if (count > MAX_SCHEDULES) throw refuse(`there are ${MAX_SCHEDULES} schedules already`)
    if (bytes > MAX_PAYLOADS_BYTES)
      throw refuse(`the payloads of all schedules take at most ${MAX_PAYLOADS_BYTES} bytes together`)
  }

  /** Keeps room for a schedule while it is being stored. @throws PAYLOAD_TOO_LARGE, CONFLICT */
  async reserve<T>(schedule: Sized, store: () => Promise<T>): Promise<T> {
    this.check(schedule)
    this.#storing.add(schedule)
    try {
      return await store()
    } finally {
      this.#storing.delete(schedule)
    }
  }
}
