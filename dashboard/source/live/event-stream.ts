/**
 * One stream of events from the server, read by `fetch`: with the cookie of the session, and with the cursor of the last
 * event when it connects again, after 1 s, 2 s, … 30 s. It runs in a worker for all tabs, or in one of the tabs.
 */
import { partsOf } from '../api/parts.ts'
import type { GapEvent, HelloEvent, LiveEvent } from './live-event.ts'

export type Connection = 'connecting' | 'live' | 'offline' | 'signed-out'

/** What a stream tells: the events of one network packet together, so that they are drawn together. */
export type StreamNews =
  | { kind: 'connection'; state: Connection; statsColumns?: string[]; version?: string; boot?: string }
  | { kind: 'events'; events: LiveEvent[] }
  /** Events may be missing: read again what is shown. */
  | { kind: 'gap' }

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000
/** The server says something every 15 s. */
const SILENCE_MS = 40_000

export class EventStream {
  readonly #root: string
  readonly #tell: (news: StreamNews) => void
  #types = ''
  #cursor: string | undefined
  #boot: string | undefined
  #waitMs = FIRST_WAIT_MS
  #running: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #connection: StreamNews & { kind: 'connection' } = { kind: 'connection', state: 'connecting' }

  /** @param root the URL that `v1/events` is below */
  constructor(root: string, tell: (news: StreamNews) => void) {
    this.#root = root
    this.#tell = tell
  }

  /** For a tab that comes later. */
  get connection(): StreamNews {
    return this.#connection
  }

  /** Asks for these types from now on. Nothing is missed, as the new stream goes on after the last event. */
  follow(types: readonly string[]): void {
    const next = types.join()
    if (next === this.#types && this.#running !== undefined) return
    this.#types = next
    if (next === '') return this.stop()
    this.retry()
  }

  /** Connects now, if it waits to connect again or is signed out. */
  retry(): void {
    this.#waitMs = FIRST_WAIT_MS
    void this.#connect()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#running?.abort()
    this.#running = undefined
  }

  async #connect(): Promise<void> {
    this.stop()
    const mine = new AbortController()
    this.#running = mine
    const query = new URLSearchParams({ type: this.#types, ...(this.#cursor !== undefined && { after: this.#cursor }) })
    try {
      const response = await fetch(`${this.#root}v1/events?${query}`, {
        headers: { accept: 'application/x-ndjson' },
        signal: mine.signal,
      })
      if (this.#running !== mine) return
      if (response.status === 401) return this.#become({ kind: 'connection', state: 'signed-out' })
      // A cursor of another server is refused: begin anew.
      if (response.status === 400) this.#cursor = undefined
      if (!response.ok || response.body === null) throw new Error(`status ${response.status}`)
      await this.#read(response.body, mine)
    } catch {
      // Whatever it is: connect again.
    }
    if (this.#running !== mine) return
    this.#become({ kind: 'connection', state: 'offline' })
    this.#timer = setTimeout(() => void this.#connect(), this.#waitMs)
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS)
  }

  async #read(body: ReadableStream<Uint8Array>, mine: AbortController): Promise<void> {
    const listen = () => setTimeout(() => mine.abort(), SILENCE_MS)
    let silence = listen()
    try {
      for await (const lines of partsOf(body, '\n')) {
        clearTimeout(silence)
        if (this.#running !== mine) return
        this.#take(lines.map((line) => JSON.parse(line) as LiveEvent | HelloEvent | GapEvent))
        silence = listen()
      }
    } finally {
      clearTimeout(silence)
    }
  }

  #take(lines: (LiveEvent | HelloEvent | GapEvent)[]): void {
    const events: LiveEvent[] = []
    for (const line of lines) {
      if (line.type === 'hello') this.#greet(line)
      else if (line.type === 'gap') this.#tell({ kind: 'gap' })
      else {
        this.#cursor = line.id
        events.push(line)
      }
    }
    if (events.length > 0) this.#tell({ kind: 'events', events })
  }

  #greet({ server, cursor, statsColumns, resumed }: HelloEvent): void {
    const isOther = this.#boot !== undefined && this.#boot !== server.boot
    const wasAway = this.#connection.state === 'offline' && !resumed
    this.#boot = server.boot
    this.#cursor = cursor
    this.#waitMs = FIRST_WAIT_MS
    const { version, boot } = server
    this.#become({ kind: 'connection', state: 'live', statsColumns, version, boot })
    if (isOther || wasAway) this.#tell({ kind: 'gap' })
  }

  #become(connection: StreamNews & { kind: 'connection' }): void {
    this.#connection = connection
    this.#tell(connection)
  }
}
