/** The items of a stream, as they come: read as server-sent events, which say how a stream has ended. */
import { batch, signal } from '@preact/signals'
import { partsOf } from '../api/parts.ts'
import { ApiError, isAbort, type Problem } from '../api/request.ts'

/** Items that are kept; of a longer stream, the last ones. */
const MAX_ITEMS = 1_000
const MAX_CHARS = 4 * 1024 * 1024

export class ItemStream {
  /** The last items. */
  readonly items = signal<readonly { number: number; text: string }[]>([])
  /** How many have come in all. */
  readonly count = signal(0)
  readonly state = signal<'running' | 'ended' | 'stopped' | { error: unknown }>('running')
  #chars = 0

  constructor(body: ReadableStream<Uint8Array>) {
    void this.#read(body)
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const events of partsOf(body, '\n\n')) batch(() => this.#take(events))
      if (this.state.peek() === 'running') this.state.value = { error: cut() }
    } catch (error) {
      this.state.value = isAbort(error) ? 'stopped' : { error: cut() }
    }
  }

  #take(events: string[]): void {
    const items = [...this.items.peek()]
    for (const event of events) {
      const type = /^event: (.*)$/m.exec(event)?.[1]
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (type === 'end') this.state.value = 'ended'
      else if (type === 'error') this.state.value = { error: new ApiError(JSON.parse(data ?? '') as Problem) }
      else if (data !== undefined) {
        items.push({ number: ++this.count.value, text: data })
        this.#chars += data.length
      }
    }
    while (items.length > MAX_ITEMS || (this.#chars > MAX_CHARS && items.length > 1)) {
      this.#chars -= items.shift()?.text.length ?? 0
    }
    this.items.value = items
  }
}

function cut(): ApiError {
  const detail = 'The connection was closed before the stream had ended.'
  return new ApiError({ title: 'The stream was cut', status: 0, code: 'CONNECTION_LOST', detail })
}
