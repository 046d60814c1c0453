/** Tells nobody what happens to jobs. */
import { JobEvents as Whole } from '../../../src/jobs/job-events.ts'

export class JobEvents extends Whole {
  override get areFollowed(): boolean {
    return false
  }

  override accepted(): void {}

  override deleted(): void {}

  override withdrawn(): void {}

  override started(): void {}

  override progress(): void {}

  override ended(): void {}

  override attemptEnded(): void {}
}
