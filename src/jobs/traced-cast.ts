/** A cast as traces show it: a span of the cast, and in it the wait for the store. Its jobs continue the span. */
import type { ThreadplaneError } from '../contract/errors.ts'
import type { Traces } from '../contract/traces.ts'
import type { Accepted, AcceptRequest, JobStore } from './job-store.ts'

/** As `accept` of the store. Each request gets the context of the span. */
export async function acceptTraced(
  traces: Traces | undefined,
  store: JobStore,
  service: string,
  requests: AcceptRequest[],
): Promise<Accepted[]> {
  if (traces === undefined) return store.accept(requests)
  const [first] = requests
  const cast = traces.cast(service, first?.method ?? '', requests.length, first?.traceparent ?? undefined)
  for (const request of requests) request.traceparent = cast.traceparent ?? null
  const commit = traces.commit(cast.traceparent)
  let failure: ThreadplaneError | undefined
  try {
    return await store.accept(requests)
  } catch (error) {
    failure = error as ThreadplaneError
    throw error
  } finally {
    commit.end(failure)
    cast.end(failure)
  }
}
