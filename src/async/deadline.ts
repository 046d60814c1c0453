/** Every wait has a deadline (P5). */
import { setTimeout as sleep } from 'node:timers/promises'

/** True once the promise has resolved, false after `timeoutMs`; a rejection is passed on. */
export async function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const settled = new AbortController()
  const late = sleep(timeoutMs, false, { signal: settled.signal }).catch(() => false)
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    settled.abort()
  }
}

/** Rejects as soon as the signal is aborted. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
