/** Waits for a promise that end early: after a time, or when a signal fires. Every wait has a deadline (P5). */
import { setTimeout as sleep } from 'node:timers/promises'

/** True as soon as the promise has resolved, false after `timeoutMs`. @throws what the promise was rejected with */
export async function resolvesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const settled = new AbortController()
  const late = sleep(timeoutMs, false, { signal: settled.signal }).catch(() => false)
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    settled.abort()
  }
}

/** The value of the promise. @throws the reason of the signal, as soon as it fires */
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
