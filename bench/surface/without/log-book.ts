/** Keeps no lines: they go to the log as they are. */
import type { ServiceLog } from '../../../src/contract/log.ts'
import { LogBook as Whole } from '../../../src/events/log-book.ts'

export class LogBook extends Whole {
  override over(log: ServiceLog): ServiceLog {
    return log
  }
}
