/** Waits for an answer of the database no longer than a time that says that the database hangs. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** @throws what the promise was rejected with; Error after so many milliseconds */
export async function answersWithin<T>(answer: Promise<T>, ms: number): Promise<T> {
  const answered = new AbortController()
  const late = sleep(ms, undefined, { signal: answered.signal }).then(
    async () => {
      // Where this process itself was held up, the answer has arrived and was not read yet.
      await nextTurn()
      await nextTurn()
      throw new Error(`the database does not answer within ${ms} ms`)
    },
    () => undefined as never,
  )
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    answered.abort()
  }
}
