/** Keeps no event, and nobody follows jobs. */
import { EventLog as Whole } from '../../../src/events/event-log.ts'

export class EventLog extends Whole {
  override get followsJobs(): boolean {
    return false
  }

  override emit(): void {}
}
