/**
 * Reads lines of a log and follows it. A stream that ends goes on behind its last line, after 1 s, 2 s, … 30 s. Only the
 * last lines are kept.
 */
import { batch, signal } from '@preact/signals'
import type { LogEnd, LogGap, LogLine } from '../../../src/client/events.ts'
import { partsOf } from '../api/parts.ts'
import { send } from '../api/request.ts'

/** A line, or a place where lines are missing. */
export type Entry = LogLine | (LogGap & { id: string })

const MAX_ENTRIES = 1_000
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000

export class LogTail {
  readonly entries = signal<readonly Entry[]>([])
  readonly error = signal<unknown>(undefined)
  readonly state = signal<'reading' | 'following' | 'ended'>('reading')
  readonly #path: string
  readonly #query: Record<string, string | undefined>
  readonly #abort = new AbortController()
  #lastId: string | undefined

  /** @param query as the route of the log takes it, without `tail` and `follow` */
  constructor(path: string, query: Record<string, string | undefined>) {
    this.#path = path
    this.#query = query
    void this.#run()
  }

  stop(): void {
    this.#abort.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    let waitMs = FIRST_WAIT_MS
    while (!signal.aborted) {
      try {
        await this.#read()
        waitMs = FIRST_WAIT_MS
      } catch (error) {
        if (signal.aborted) return
        this.error.value = error
        const status = (error as { problem?: { status: number } }).problem?.status ?? 0
        if (status >= 400 && status < 500 && status !== 429) return
      }
      if (this.state.peek() === 'ended') return
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    }
  }

  async #read(): Promise<void> {
    const { signal } = this.#abort
    const response = await send('GET', this.#path, {
      query: { ...this.#query, tail: 500, follow: true },
      headers: {
        accept: 'application/x-ndjson',
        ...(this.#lastId !== undefined && { 'last-event-id': this.#lastId }),
      },
      signal,
    })
    batch(() => ([this.state.value, this.error.value] = ['following', undefined]))
    if (response.body === null) return
    for await (const lines of partsOf(response.body, '\n')) this.#take(lines)
  }

  #take(lines: string[]): void {
    const added: Entry[] = []
    for (const line of lines) {
      const entry = JSON.parse(line) as LogLine | LogGap | LogEnd
      // A service may log a field `type` of its own.
      if ('msg' in entry) {
        this.#lastId = entry.id
        added.push(entry)
      } else if (entry.type === 'gap') added.push({ ...entry, id: `gap ${this.#lastId ?? ''} ${added.length}` })
      else this.state.value = 'ended'
    }
    if (added.length > 0) this.entries.value = [...this.entries.peek(), ...added].slice(-MAX_ENTRIES)
  }
}
