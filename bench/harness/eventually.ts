/** Waits for what has no event. */
import { setTimeout as sleep } from 'node:timers/promises'

const CHECK_EVERY_MS = 10
const WITHIN_MS = 30_000

/** @throws Error if it is not so within that time, in milliseconds */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = WITHIN_MS,
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited for ${what} for ${withinMs / 1_000} s`)
    await sleep(CHECK_EVERY_MS)
  }
}
