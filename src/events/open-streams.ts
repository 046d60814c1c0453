/**
 * Responses that stay open, of events or of the log. They get a heartbeat while nothing else is written, are ended once
 * their token allows no more, and are cut if the client does not read.
 */
import { Counts } from '../telemetry/counts.ts'

export const HEARTBEAT_MS = 15_000
const CHECK_EVERY_MS = 500
/** How long a part waits until the client has read the part before it. */
const STALLED_AFTER_MS = 30_000
/** Bytes of a stream that its client has not read. */
const MAX_UNSENT_BYTES = 1024 * 1024
/** Streams that are written to in one turn of the event loop, at least: calls would wait for a hundred. */
const LEAST_WRITES_A_TURN = 8
/** A turn makes at least this part of the writes that are left, so that they never take many turns. */
const PART_OF_WRITES_A_TURN = 1 / 8

/** How many characters of what a client has missed are written at a time. */
export const PART_CHARS = 256 * 1024

/** Why a stream is ended before its client leaves: the client does not read, or its token allows no more. */
const CUT_REASONS = ['slow', 'token'] as const

/** What a stream is written to: a response of Node's server. */
export interface StreamTarget {
  readonly writableLength: number
  readonly destroyed: boolean
  readonly writableEnded: boolean
  write(bytes: Buffer | string): unknown
  end(): unknown
  destroy(): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
}

/** Who reads a stream. */
export interface StreamClient {
  /** The id of its token. */
  token: string | undefined
  /** False once the client may read no more. */
  isAllowed: () => boolean
}

export class OpenStreams {
  readonly cuts = new Counts(CUT_REASONS)
  readonly #clients = new Map<StreamTarget, StreamClient & { heartbeat: string | undefined }>()
  #unwritten: { target: StreamTarget; bytes: Buffer | string }[] = []
  readonly #heartbeatTimer: NodeJS.Timeout
  readonly #checkTimer: NodeJS.Timeout

  constructor() {
    this.#heartbeatTimer = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
    this.#checkTimer = setInterval(() => this.#endRefused(), CHECK_EVERY_MS).unref()
  }

  get count(): number {
    return this.#clients.size
  }

  countOf(token: string): number {
    return [...this.#clients.values()].filter((client) => client.token === token).length
  }

  /** @param heartbeat `undefined`: another node writes the stream. It counts, and ends with its token and with this server */
  add(target: StreamTarget, client: StreamClient, heartbeat?: string): void {
    if (target.destroyed || target.writableEnded) return
    this.#clients.set(target, { ...client, heartbeat })
    target.once('close', () => this.#clients.delete(target))
  }

  /** Writes to a few streams in each turn of the event loop, and to each in the order of the calls. */
  write(target: StreamTarget, bytes: Buffer | string): void {
    const count = this.#unwritten.push({ target, bytes })
    if (count === 1) setImmediate(() => this.#writeSome())
  }

  #writeSome(): void {
    const count = Math.max(LEAST_WRITES_A_TURN, Math.ceil(this.#unwritten.length * PART_OF_WRITES_A_TURN))
    for (const { target, bytes } of this.#unwritten.splice(0, count)) this.#writeNow(target, bytes)
    if (this.#unwritten.length > 0) setImmediate(() => this.#writeSome())
  }

  /** Writes the unwritten bytes of a stream, and ends it. */
  end(target: StreamTarget): void {
    for (const write of this.#unwritten) if (write.target === target) this.#writeNow(target, write.bytes)
    this.#unwritten = this.#unwritten.filter((write) => write.target !== target)
    target.end()
  }

  #writeNow(target: StreamTarget, bytes: Buffer | string): void {
    if (target.writableEnded || target.destroyed) return
    target.write(bytes)
    if (target.writableLength > MAX_UNSENT_BYTES) this.#cut(target)
  }

  /**
   * Writes parts, each when the one before is read.
   * @param next the next part; '' if there is no more
   * @param done called when all parts are written
   */
  writeParts(target: StreamTarget, next: () => string, done: () => void): void {
    while (!target.destroyed && !target.writableEnded) {
      const part = next()
      if (part === '') return done()
      if (target.write(part) !== false) continue
      const stalled = setTimeout(() => this.#cut(target), STALLED_AFTER_MS).unref()
      target.once('drain', () => {
        clearTimeout(stalled)
        this.writeParts(target, next, done)
      })
      return
    }
  }

  #cut(target: StreamTarget): void {
    if (target.destroyed) return
    this.cuts.add('slow')
    target.destroy()
  }

  #beat(): void {
    for (const [target, { heartbeat }] of this.#clients) {
      if (heartbeat !== undefined && target.writableLength === 0) this.write(target, heartbeat)
    }
  }

  /** Ends the streams of tokens that were revoked. */
  #endRefused(): void {
    for (const [target, { isAllowed }] of this.#clients) {
      if (target.writableEnded || isAllowed()) continue
      this.cuts.add('token')
      this.end(target)
    }
  }

  /** Writes the unwritten bytes of all streams, and ends the streams. */
  close(): void {
    clearInterval(this.#heartbeatTimer)
    clearInterval(this.#checkTimer)
    for (const target of this.#clients.keys()) this.end(target)
  }
}
