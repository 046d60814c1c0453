/**
 * `fetch` over `node:http`, for the client of a command. Node's own compiles its parser at the first request, in threads of
 * its own, and loads much for its classes: most of the CPU time that a short command takes.
 */
import http from 'node:http'
import { Readable } from 'node:stream'
import { arrayBuffer, text } from 'node:stream/consumers'
import type { ClientOptions } from '../client/index.ts'

/** The Fetch standard gives them no body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** Sends texts and bytes, with headers in an object. What it is rejected with has the `code` of the failure. */
export const httpFetch: NonNullable<ClientOptions['fetch']> = async (url, { method, headers, body, signal }) => {
  const { request: send } = url.startsWith('https:') ? await import('node:https') : http
  return new Promise((resolve, reject) => {
    const options = { method, headers, ...(signal != null && { signal }) }
    const request = send(url, options as http.RequestOptions)
    request.once('error', reject)
    // It has all that the client and the verbs use.
    request.once('response', (answer) => resolve(new HttpResponse(url, answer) as unknown as Response))
    request.end(body as string | Uint8Array | undefined)
  })
}

/** What a command uses of a `Response`. Its body is read once, in one of these ways. */
class HttpResponse {
  readonly url: string
  readonly status: number
  readonly headers: { get: (name: string) => string | null }
  readonly #answer: http.IncomingMessage
  #body: ReturnType<typeof Readable.toWeb> | undefined

  constructor(url: string, answer: http.IncomingMessage) {
    this.url = url
    this.status = answer.statusCode ?? 0
    this.headers = { get: (name) => answer.headersDistinct[name.toLowerCase()]?.join(', ') ?? null }
    this.#answer = answer
    if (this.#isEmpty) answer.resume()
  }

  get #isEmpty(): boolean {
    return WITHOUT_BODY.has(this.status)
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get body(): ReturnType<typeof Readable.toWeb> | null {
    if (this.#isEmpty) return null
    this.#body ??= Readable.toWeb(this.#answer)
    return this.#body
  }

  async text(): Promise<string> {
    return this.#isEmpty ? '' : text(this.#answer)
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#isEmpty ? new ArrayBuffer(0) : arrayBuffer(this.#answer)
  }
}
