/** One stream of events from another node's listener: lines of JSON, until it is closed or breaks. */
import { createInterface } from 'node:readline'
import type { Dispatcher } from 'undici'
import { Deferred } from '../async/deferred.ts'
import { requestHeaders } from './hop-headers.ts'
import type { Member } from './membership.ts'
import { timings } from './timings.ts'

const HEAD_WITHIN_MS = 5_000

export interface StreamEvent {
  id: string
  type: string
  at: string
  [member: string]: unknown
}

export interface PeerStreamListener {
  /** @param boot which start of the server it is */
  hello(boot: string): void
  event(event: StreamEvent): void
  /** The other node does not keep all of what was asked for. */
  gap(facts: object): void
  /** It broke. Not called after `close`. */
  ended(): void
}

export class PeerStream {
  readonly peer: Member
  readonly types: string
  /** Of the last event: a next stream goes on behind it. */
  lastId: string | undefined
  readonly #begun = new Deferred<void>()
  readonly #closed = new AbortController()

  constructor(to: Dispatcher, peer: Member, types: string, after: string | undefined, listener: PeerStreamListener) {
    this.peer = peer
    this.types = types
    this.lastId = after
    void this.#read(to, listener)
  }

  /** Resolves when it has begun, or cannot. */
  get begun(): Promise<void> {
    return this.#begun.promise
  }

  close(): void {
    this.#closed.abort()
  }

  async #read(to: Dispatcher, listener: PeerStreamListener): Promise<void> {
    const { signal } = this.#closed
    const query = new URLSearchParams({ type: this.types, ...(this.lastId !== undefined && { after: this.lastId }) })
    try {
      const { statusCode, body } = await to.request({
        method: 'GET',
        path: `/v1/events?${query.toString()}`,
        headers: requestHeaders({ accept: 'application/x-ndjson' }, this.peer.token, undefined, undefined),
        signal,
        headersTimeout: HEAD_WITHIN_MS,
        bodyTimeout: timings.silentMs,
      })
      const lines = createInterface({ input: body })
      // The error of the body ends the lines.
      body.on('error', () => lines.close())
      if (statusCode !== 200) {
        body.destroy()
        return
      }
      for await (const line of lines) {
        if (signal.aborted) break
        if (line !== '') this.#heard(JSON.parse(line) as StreamEvent, listener)
      }
    } catch {
      // The node cannot be reached, or has ended the stream.
    } finally {
      this.#begun.resolve()
      if (!signal.aborted) listener.ended()
    }
  }

  #heard(event: StreamEvent, listener: PeerStreamListener): void {
    this.lastId = event.id
    switch (event.type) {
      case 'hello':
        listener.hello((event.server as { boot: string }).boot)
        this.#begun.resolve()
        return
      case 'gap': {
        const { id: _id, type: _type, at: _at, ...facts } = event
        listener.gap(facts)
        return
      }
      default:
        listener.event(event)
    }
  }
}
