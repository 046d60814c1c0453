/** Stores casts, and does not ask whether spans are recorded. */
import type { Traces } from '../../../src/contract/traces.ts'
import type { Accepted, AcceptRequest, JobStore } from '../../../src/jobs/job-store.ts'

export function acceptTraced(
  _traces: Traces | undefined,
  store: JobStore,
  _service: string,
  requests: AcceptRequest[],
): Promise<Accepted[]> {
  return store.accept(requests)
}
