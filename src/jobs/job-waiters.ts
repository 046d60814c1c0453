/** Clients that wait for jobs to finish. Their number and their time are bounded (P5). */
import { setTimeout as sleep } from 'node:timers/promises'

const MAX_WAITERS = 10_000

export interface Wait {
  /** Resolves when the job has finished, the time has passed, the signal fires, or `end` is called. */
  over: Promise<void>
  end: () => void
}

const NONE: Wait = { over: Promise.resolve(), end: () => {} }

export class JobWaiters {
  readonly #waiters = new Map<string, Set<() => void>>()
  #count = 0
  #closed = false

  /** Begins a wait. It is over at once if too many clients wait already. */
  wait(id: string, timeoutMs: number, signal?: AbortSignal): Wait {
    if (this.#closed || this.#count >= MAX_WAITERS || signal?.aborted) return NONE
    const ended = new AbortController()
    const end = () => ended.abort()
    return { over: this.#wait(id, timeoutMs, end, ended.signal, signal), end }
  }

  async #wait(id: string, timeoutMs: number, end: () => void, ended: AbortSignal, signal?: AbortSignal) {
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(end))
    this.#count += 1
    signal?.addEventListener('abort', end, { once: true })
    await sleep(timeoutMs, undefined, { signal: ended }).catch(() => {})
    signal?.removeEventListener('abort', end)
    waiters.delete(end)
    if (waiters.size === 0) this.#waiters.delete(id)
    this.#count -= 1
  }

  /** Jobs that clients wait for. */
  get ids(): string[] {
    return [...this.#waiters.keys()]
  }

  finished(id: string): void {
    for (const end of this.#waiters.get(id) ?? []) end()
  }

  close(): void {
    this.#closed = true
    for (const id of this.#waiters.keys()) this.finished(id)
  }
}
