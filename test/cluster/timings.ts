/** What tests of the store over a database do with time: they change how long it waits, and never measure. */
import type { Test } from 'tap'
import { timings } from '../../src/cluster/timings.ts'

/** Until the test is over. */
export function changeTimings(t: Test, changed: Partial<typeof timings>): void {
  const before = { ...timings }
  Object.assign(timings, changed)
  t.teardown(() => Object.assign(timings, before))
}

/** What a promise is rejected with before anything else happens; `undefined` if it waits for something. */
export function inThisTurn(promise: Promise<unknown>): Promise<unknown> {
  const turn = new Promise((resolve) => setImmediate(resolve))
  return Promise.race([promise.then(() => turn).catch((error: unknown) => error), turn])
}
