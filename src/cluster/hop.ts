/**
 * One request to one peer: how far it has come, and the way of the answer back to the client. The bytes of the answer are
 * not parsed. While the client does not read, nothing more is read from the peer, so that a generator there stops too.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'

/** A refusal is a problem document, of some hundred bytes. What is longer is passed on like any other answer. */
const MAX_REFUSAL_BYTES = 64 * 1024

type Controller = Dispatcher.DispatchController

type State =
  /** It waits for a connection to the peer. */
  | { kind: 'unsent' }
  | { kind: 'sent'; controller: Controller }
  /** The answer is a 503: is it the refusal of a call that did not begin? Then another peer may be tried. */
  | { kind: 'refusal'; controller: Controller; status: number; headers: IncomingHttpHeaders; pieces: Buffer[] }
  | { kind: 'relaying'; controller: Controller }
  | { kind: 'over' }

export interface HopOptions {
  /** The answer to the client. */
  raw: ServerResponse
  /** Read a refusal as a whole, and ask `refused` about it? */
  mayBeRefused: boolean
  /** The answer begins: writes its head. */
  begin(status: number, headers: IncomingHttpHeaders): void
  /** The peer did not begin the call. True if another peer is tried, so that this answer is dropped. */
  refused(): boolean
  /** The whole answer is written. */
  done(): void
  /**
   * There is no answer of this peer. `unsent`: nothing was sent. `replaced`: another process has its port now, which has
   * refused the request.
   */
  failed(kind: 'unsent' | 'replaced' | 'sent', error: Error): void
}

export class Hop implements Dispatcher.DispatchHandler {
  readonly #options: HopOptions
  #state: State = { kind: 'unsent' }

  constructor(options: HopOptions) {
    this.#options = options
  }

  get sent(): boolean {
    return this.#state.kind !== 'unsent'
  }

  /** Nobody waits for the answer any more: closes the connection, which cancels the call there. */
  abandon(): void {
    const state = this.#state
    this.#state = { kind: 'over' }
    if (state.kind !== 'unsent' && state.kind !== 'over') state.controller.abort(new Error('the call was abandoned'))
  }

  onRequestStart(controller: Controller): void {
    if (this.#state.kind === 'over') controller.abort(new Error('the call was abandoned'))
    else this.#state = { kind: 'sent', controller }
  }

  onResponseStart(controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    // An interim answer, such as 100, says nothing about the call.
    if (this.#state.kind !== 'sent' || status < 200) return
    // Only the guard of the node listener answers this, and only to a token that is not of its process.
    if (status === 401) {
      this.abandon()
      this.#options.failed('replaced', new Error('its process has been replaced by another one'))
    } else if (status === 503 && this.#options.mayBeRefused) {
      this.#state = { kind: 'refusal', controller, status, headers, pieces: [] }
    } else this.#relay(controller, status, headers)
  }

  onResponseData(controller: Controller, piece: Buffer): void {
    const state = this.#state
    if (state.kind === 'relaying') this.#write(controller, piece)
    if (state.kind !== 'refusal') return
    state.pieces.push(piece)
    const bytes = state.pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (bytes > MAX_REFUSAL_BYTES) this.#relayRefusal(state)
  }

  onResponseEnd(): void {
    const state = this.#state
    if (state.kind === 'refusal') {
      if (didNotBegin(state.pieces) && this.#options.refused()) {
        this.#state = { kind: 'over' }
        return
      }
      this.#relayRefusal(state)
    }
    if (this.#state.kind !== 'relaying') return
    this.#state = { kind: 'over' }
    this.#options.raw.end()
    this.#options.done()
  }

  onResponseError(_controller: Controller, error: Error): void {
    const { kind } = this.#state
    this.#state = { kind: 'over' }
    if (kind === 'over') return
    // The client gets the part of the answer that is there, and the closed connection tells it that there is no more.
    if (kind === 'relaying') this.#options.raw.socket?.destroySoon()
    else this.#options.failed(kind === 'unsent' ? 'unsent' : 'sent', error)
  }

  #relay(controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    this.#state = { kind: 'relaying', controller }
    this.#options.begin(status, headers)
  }

  #relayRefusal({ controller, status, headers, pieces }: State & { kind: 'refusal' }): void {
    this.#relay(controller, status, headers)
    for (const piece of pieces) this.#write(controller, piece)
  }

  #write(controller: Controller, piece: Buffer): void {
    const { raw } = this.#options
    // The client is gone, or its stream was ended here; `abandon` follows.
    if (raw.destroyed || raw.writableEnded || raw.write(piece)) return
    controller.pause()
    raw.once('drain', () => controller.resume())
  }
}

/** Does the problem document say that the method did not begin? */
function didNotBegin(pieces: Buffer[]): boolean {
  try {
    return (JSON.parse(Buffer.concat(pieces).toString()) as { started?: unknown } | null)?.started === false
  } catch {
    return false
  }
}
