/**
 * The kept lines of the log, of all nodes together. Each node keeps its own: the others are asked for theirs when a client
 * begins to read. While clients follow the log, further lines of other nodes come by their streams of events.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseCursor } from '../../src/contract/cursor.ts'
import { RESUMED_PREFIX } from '../../src/contract/node-headers.ts'
import type { PeerEvents } from '../../src/cluster/peer-events.ts'
import type { NodeAnswer, Plane } from '../../src/cluster/plane.ts'
import type { LogBook, LogLine } from '../../src/events/log-book.ts'
import { type KeptLines, type LogFilter, passes, type ShownLine } from '../../src/events/log-streams.ts'
import { callerOf } from './caller.ts'

const RESUMED = new RegExp(`^${RESUMED_PREFIX}(?=/)`)

/** Which of the kept lines a client asked for. */
interface Wanted {
  /** The number of the last line before lines of other nodes were looked at. */
  since: number
  /** Lines that are kept elsewhere too. */
  stored: readonly ShownLine[]
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

  /** Has the node that a client has read from before go on, if that is another one. */
  async resume(after: string, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    return (await this.#plane?.resume(after, reply, callerOf(request))) ?? false
  }

  get lastSeq(): number {
    return this.#book.lastSeq
  }

  /** @param tail so many of the last lines; `undefined`: all */
  async last(
    request: FastifyRequest,
    filter: LogFilter,
    { tail, since, stored }: Wanted & { tail?: number },
  ): Promise<KeptLines> {
    const others = (await this.#ask(request)).flatMap(({ text }) => linesOf(text))
    const except = new Set(others.map(({ id }) => id))
    const own = [...this.#book.lines(filter.service, 0).lines, ...this.#book.foreign(since).lines]
    const shown = own.filter((line) => passes(line, { ...filter, except })).map((line) => this.#shown(line))
    // A line that is stored with its job may be in the log of its node, too.
    const all =
      others.length + stored.length === 0
        ? shown
        : [...new Map([...stored, ...others, ...shown].map((line) => [line.id, line])).values()].sort(byTime)
    const lines = tail === undefined ? all : tail === 0 ? [] : all.slice(-tail)
    return { lines, gap: undefined, except, seq: this.#book.lastSeq }
  }

  /**
   * What a client has missed that comes back with the id of its last line.
   * @param tail how many lines the others answer at most
   */
  async missed(
    request: FastifyRequest,
    filter: LogFilter,
    { after, follows, tail, ...wanted }: Wanted & { after: string; follows: boolean; tail: number },
  ): Promise<KeptLines> {
    const seen = this.#book.seqOf(after)
    if (seen === undefined) {
      const kept = await this.last(request, filter, wanted)
      const isOfPeer = this.#peerEvents?.knows(parseCursor(after)?.boot ?? '') === true
      return { ...kept, gap: { after, lost: null, reason: isOfPeer ? 'node' : 'restart' } }
    }
    const own = this.#book.lines(filter.service, seen)
    // To a client that follows they come by streams of events. Else the other nodes are asked, and their lines, which have
    // no number here, count by their times.
    const foreign = follows ? this.#book.foreign(seen) : { lines: [], droppedThrough: 0 }
    const at = this.#book.timeOf(seen) ?? 0
    const answers = follows ? [] : (await this.#ask(request)).map(({ text }) => linesOf(text))
    // In the order in which the client has got them.
    const others = answers.flat().filter((line) => byTime(line, { id: after, time: at }) >= 0 && line.id !== after)
    const isCut = answers.some((lines) => lines.length >= tail && (lines[0]?.time ?? 0) > at)
    const lines = [...own.lines, ...foreign.lines].filter((line) => passes(line, filter)).sort((a, b) => a.seq - b.seq)
    const gap =
      isCut || foreign.droppedThrough > seen
        ? ({ after, lost: null, reason: 'node' } as const)
        : own.droppedThrough > seen
          ? ({ after, lost: own.droppedThrough - seen, reason: 'ring' } as const)
          : undefined
    const shown = lines.map((line) => this.#shown(line))
    const all = others.length === 0 ? shown : [...shown, ...others].sort(byTime)
    return { lines: all, gap, except: new Set(), seq: this.#book.lastSeq }
  }

  #shown({ seq, time, json }: LogLine): ShownLine {
    return { id: this.#book.idOf(seq), time, json }
  }

  async #ask(request: FastifyRequest): Promise<NodeAnswer[]> {
    if (this.#plane === undefined) return []
    // Each of them answers for itself, also where this node goes on for another one.
    const [path = '', query] = request.url.replace(RESUMED, '').split('?')
    const parameters = new URLSearchParams(query)
    parameters.delete('follow')
    const caller = callerOf(request)
    const question = { method: 'GET', accept: 'application/x-ndjson', caller } as const
    const whole = `${path}?${parameters.toString()}`
    const answers = await this.#plane.askAll(this.#plane.peers, { ...question, path: whole })
    return answers.filter(({ status }) => status === 200)
  }
}

/** What decides where a line is among those of all nodes. */
type Placed = Pick<ShownLine, 'id' | 'time'>

/** Lines of one node that were written in the same millisecond stay in the order of their numbers. */
function byTime(one: Placed, other: Placed): number {
  return one.time - other.time || numberOf(one) - numberOf(other)
}

function numberOf({ id }: Placed): number {
  return Number(id.slice(id.indexOf('-') + 1))
}

function linesOf(text: string): ShownLine[] {
  return text.split('\n').flatMap((json) => {
    if (json === '') return []
    const { id, time } = JSON.parse(json) as { id?: string; time?: string }
    return id === undefined || time === undefined ? [] : [{ id, time: Date.parse(time), json }]
  })
}
