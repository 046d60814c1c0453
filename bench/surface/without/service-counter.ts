/** Counts no calls and no jobs, neither for metrics nor for the status of the service. */
import { ServiceCounter as Whole } from '../../../src/services/service-counter.ts'

export class ServiceCounter extends Whole {
  override callRefused(): void {}

  override callQueued(): void {}

  override count(): void {}

  override attempted(): void {}

  override finished(): void {}
}
