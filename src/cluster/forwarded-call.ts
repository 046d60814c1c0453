/**
 * One call of a client that runs on another node: its deadline, the peers that are tried, and what the client is told if
 * none of them answers.
 *
 * Another peer is tried only if the call cannot have begun: nothing was sent, or the answer says `started: false`. For the
 * second the body is sent again, so that needs a body that is kept as a whole.
 */
import type { FastifyReply } from 'fastify'
import type { OutgoingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { Peer } from './cluster.ts'
import { Hop } from './hop.ts'
import { answerHeaders, type Caller, requestHeaders } from './hop-headers.ts'
import { pipedBody } from './piped-body.ts'
import type { NodeRouter } from './router.ts'

/** So much later than the peer, whose answer at the deadline says more: whether the method had begun. */
const GRACE_MS = 250
/** Node has no longer timers. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The body of the call: kept as a whole, or read from the client as the peer takes it. */
export type CallBody = { kind: 'whole'; bytes: Uint8Array | null } | { kind: 'piped'; maxBytes: number }

export interface CallToForward {
  reply: FastifyReply
  service: string
  method: string
  body: CallBody
  /** `Request-Timeout` of the client. */
  requestTimeoutMs: number | undefined
  /** When the peer will have given up: {@link requestTimeoutMs}, or else the deadline of the method. */
  timeoutMs: number
  caller: Caller | undefined
}

export interface Connections {
  to(peer: Peer): Dispatcher
}

export class ForwardedCall {
  readonly #call: CallToForward
  readonly #router: NodeRouter
  readonly #connections: Connections
  /** The ids of the peers that the call was sent to. */
  readonly #tried = new Set<string>()
  #hop: Hop | undefined
  #deadline: NodeJS.Timeout | undefined
  /** When the deadline began, by the monotonic clock. */
  #since: number | undefined
  /** Tells the router that the call is no longer under way on the present peer. */
  #leave: (() => void) | undefined

  constructor(call: CallToForward, router: NodeRouter, connections: Connections) {
    this.#call = call
    this.#router = router
    this.#connections = connections
  }

  start(peer: Peer): void {
    const { reply, body } = this.#call
    const { raw, request } = reply
    // The client may have gone while its body was read.
    if (raw.destroyed) return
    raw.once('close', () => {
      this.#stopDeadline()
      this.#hop?.abandon()
      this.#leave?.()
    })
    // A deadline counts from when the body is there, as in a call that runs here. Until then `slow-clients.ts` counts.
    if (body.kind === 'whole') this.#startDeadline()
    else request.raw.once('end', this.#startDeadline)
    this.#send(peer)
  }

  readonly #startDeadline = (): void => {
    const { timeoutMs } = this.#call
    this.#since = performance.now()
    this.#deadline = setTimeout(() => this.#expire(), Math.min(timeoutMs + GRACE_MS, MAX_TIMER_MS))
  }

  /** The end of the body may come after the answer: then no deadline begins any more. */
  #stopDeadline(): void {
    clearTimeout(this.#deadline)
    this.#call.reply.request.raw.off('end', this.#startDeadline)
  }

  #send(peer: Peer): void {
    const { reply, service, body, caller, timeoutMs, requestTimeoutMs } = this.#call
    const { raw, request } = reply
    this.#tried.add(peer.id)
    this.#leave?.()
    this.#leave = this.#router.sending(peer, service)
    const hop = new Hop({
      raw,
      mayBeRefused: body.kind === 'whole',
      begin: (status, headers) => {
        this.#stopDeadline()
        reply.hijack()
        raw.writeHead(status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...answerHeaders(headers) })
      },
      refused: () => {
        const another = this.#router.leastBusy(service, this.#tried)
        if (another === undefined) return false
        this.#send(another)
        return true
      },
      done: () => this.#discardRest(),
      failed: (kind, error) => {
        if (kind === 'sent') this.#fail(this.#lost(peer, error))
        else this.#failUnsent(peer, error, kind === 'unsent' || body.kind === 'whole')
      },
    })
    this.#hop = hop
    const now = performance.now()
    const leftMs = requestTimeoutMs && requestTimeoutMs - (now - (this.#since ?? now))
    this.#connections.to(peer).dispatch(
      {
        method: 'POST',
        path: pathOf(request.url),
        headers: requestHeaders(request.headers, peer.token, caller, leftMs),
        body: body.kind === 'whole' ? (body.bytes as Buffer | null) : pipedBody(request.raw, body.maxBytes),
        // The deadline above is more exact. Of an answer that has begun, silence for the time of a whole call is too long.
        headersTimeout: 0,
        bodyTimeout: Math.min(timeoutMs + GRACE_MS, MAX_TIMER_MS),
      },
      hop,
    )
  }

  /**
   * The process of the peer cannot be reached: there is no connection, or another process has its port now.
   *
   * @param hasBody the body can be sent to another peer
   */
  #failUnsent(peer: Peer, cause: Error, hasBody: boolean): void {
    const { service } = this.#call
    // Not the peer, but the library refuses the request.
    if ('code' in cause && cause.code === 'UND_ERR_INVALID_ARG') return this.#fail(cause)
    this.#router.unreachable(peer)
    const another = hasBody ? this.#router.leastBusy(service, this.#tried) : undefined
    if (another !== undefined) return this.#send(another)
    const detail = `${service} runs on the node ${peer.name}, which cannot be reached: ${cause.message}`
    this.#fail(
      this.#error('SERVICE_NOT_RUNNING', detail, { started: false, retryAfterSeconds: RETRY_AFTER_SECONDS, cause }),
    )
  }

  /** The peer had the request, or a part of it. */
  #lost(peer: Peer, cause: Error): Error {
    if ('code' in cause && cause.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return cause
    return this.#error('THREAD_DIED', `the node ${peer.name} was lost during the call`, { started: true, cause })
  }

  #expire(): void {
    const { service, method, timeoutMs } = this.#call
    const started = this.#hop?.sent ?? false
    this.#hop?.abandon()
    const detail = `no answer of ${service}.${method} on another node within ${timeoutMs} ms`
    this.#fail(this.#error('DEADLINE_EXCEEDED', detail, { started }))
  }

  #error(code: 'SERVICE_NOT_RUNNING' | 'THREAD_DIED' | 'DEADLINE_EXCEEDED', detail: string, facts: object): Error {
    const { service, method } = this.#call
    return new ThreadplaneError(code, detail, { service, method, ...facts })
  }

  #fail(error: Error): void {
    const { reply } = this.#call
    this.#stopDeadline()
    this.#discardRest()
    if (!reply.raw.destroyed) reply.send(error)
  }

  /** The answer is there before the whole body: a client that still sends shall be able to read the answer. */
  #discardRest(): void {
    const { raw } = this.#call.reply.request
    if (!raw.complete) raw.resume()
  }
}

/** The target of a request to a proxy is a whole URL. */
function pathOf(target: string): string {
  if (target.startsWith('/')) return target
  const { pathname, search } = new URL(target)
  return `${pathname}${search}`
}
