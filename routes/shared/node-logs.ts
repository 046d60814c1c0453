/**
 * The kept lines of the log, of all nodes together. Each node keeps its own: the others are asked for theirs when a client
 * begins to read. While clients follow the log, further lines of other nodes come by their streams of events.
 */
import type { FastifyRequest } from 'fastify'
import type { PeerEvents } from '../../src/cluster/peer-events.ts'
import type { NodeAnswer, Plane } from '../../src/cluster/plane.ts'
import type { LogBook, LogLine } from '../../src/events/log-book.ts'
import { type LogFilter, passes } from '../../src/events/log-streams.ts'
import { callerOf } from './caller.ts'
import { ASK_WITHIN_MS } from './service-views.ts'

export interface ShownLine {
  id: string
  json: string
}

export interface KeptLines {
  lines: ShownLine[]
  /** Before the lines, some are missing that the client has not got. */
  gap: { lost: number | null; reason: 'restart' | 'ring' | 'node' } | undefined
  /** Ids that lines of other nodes have there: they may come once more. */
  except: ReadonlySet<string>
}

export class NodeLogs {
  readonly #book: LogBook
  readonly #plane: Plane | undefined
  readonly #peerEvents: PeerEvents | undefined

  constructor(book: LogBook, { plane, peerEvents }: { plane: Plane | undefined; peerEvents: PeerEvents | undefined }) {
    this.#book = book
    this.#plane = plane
    this.#peerEvents = peerEvents
  }

  /** From now on, lines of other nodes come too. */
  look(): ReturnType<PeerEvents['look']> | undefined {
    return this.#peerEvents?.look(['log'])
  }

  get lastSeq(): number {
    return this.#book.lastSeq
  }

  /**
   * @param tail the last lines; `undefined`: all
   * @param since the number of the last line before lines of other nodes were looked at
   */
  async last(request: FastifyRequest, filter: LogFilter, tail: number | undefined, since: number): Promise<KeptLines> {
    const answers = await this.#ask(request)
    const others = answers.filter(({ status }) => status === 200).flatMap(({ text }) => linesOf(text))
    const except = new Set(others.map(({ id }) => id))
    const own = [...this.#book.lines(filter.service).lines, ...this.#book.foreign(since).lines]
    const shown = own.filter((line) => passes(line, { ...filter, except })).map((line) => this.#shown(line))
    const all = others.length === 0 ? shown : [...shown, ...others].sort((a, b) => a.time - b.time)
    return { lines: tail === undefined ? all : tail === 0 ? [] : all.slice(-tail), gap: undefined, except }
  }

  /** What a client has missed that comes back with the id of its last line. */
  async missed(request: FastifyRequest, filter: LogFilter, lastId: string, since: number): Promise<KeptLines> {
    const seen = this.#book.seqOf(lastId)
    if (seen === undefined) {
      const kept = await this.last(request, filter, undefined, since)
      return { ...kept, gap: { lost: null, reason: this.#plane === undefined ? 'restart' : 'node' } }
    }
    const own = this.#book.lines(filter.service)
    const foreign = this.#book.foreign(seen)
    const lines = [...own.lines.filter(({ seq }) => seq > seen), ...foreign.lines]
      .filter((line) => passes(line, filter))
      .sort((a, b) => a.seq - b.seq)
    const gap =
      foreign.droppedThrough > seen
        ? ({ lost: null, reason: 'node' } as const)
        : own.droppedThrough > seen
          ? ({ lost: own.droppedThrough - seen, reason: 'ring' } as const)
          : undefined
    return { lines: lines.map((line) => this.#shown(line)), gap, except: new Set() }
  }

  #shown({ seq, time, json }: LogLine): ShownLine & { time: number } {
    return { id: this.#book.idOf(seq), time, json }
  }

  async #ask(request: FastifyRequest): Promise<NodeAnswer[]> {
    if (this.#plane === undefined) return []
    const [path = '', query] = request.url.split('?')
    const parameters = new URLSearchParams(query)
    parameters.delete('follow')
    const caller = callerOf(request)
    const question = { method: 'GET', accept: 'application/x-ndjson', caller, withinMs: ASK_WITHIN_MS } as const
    return this.#plane.askAll(this.#plane.peers, { ...question, path: `${path}?${parameters.toString()}` })
  }
}

function linesOf(text: string): (ShownLine & { time: number })[] {
  return text.split('\n').flatMap((json) => {
    if (json === '') return []
    const { id, time } = JSON.parse(json) as { id?: string; time?: string }
    return id === undefined || time === undefined ? [] : [{ id, time: Date.parse(time), json }]
  })
}
