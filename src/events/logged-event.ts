/** An event as a ring keeps it. */
import type { ControlEvent, JobEvent } from '../contract/events.ts'

export interface LoggedEvent {
  /** Events are numbered, over both rings. */
  seq: number
  type: ControlEvent['type'] | JobEvent['type']
  service: string | undefined
  /** The id of the other node that it happened on. */
  origin: string | undefined
  /** One line of JSON, as clients get it. */
  json: string
}
