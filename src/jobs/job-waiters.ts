/** Clients that wait for jobs to finish. Bounded in number and time (P5). */
import { setTimeout as sleep } from 'node:timers/promises'

const MAX_WAITERS = 10_000

export class JobWaiters {
  readonly #waiters = new Map<string, Set<() => void>>()
  #count = 0
  #closed = false

  /** Resolves when the job has finished, after `timeoutMs`, when `signal` fires, or at once where too many wait. */
  async wait(id: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed || this.#count >= MAX_WAITERS || signal?.aborted) return
    const enough = new AbortController()
    const done = () => enough.abort()
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(done))
    this.#count += 1
    signal?.addEventListener('abort', done, { once: true })
    await sleep(timeoutMs, undefined, { signal: enough.signal }).catch(() => {})
    signal?.removeEventListener('abort', done)
    waiters.delete(done)
    if (waiters.size === 0) this.#waiters.delete(id)
    this.#count -= 1
  }

  finished(id: string): void {
    for (const done of this.#waiters.get(id) ?? []) done()
  }

  close(): void {
    this.#closed = true
    for (const id of this.#waiters.keys()) this.finished(id)
  }
}
