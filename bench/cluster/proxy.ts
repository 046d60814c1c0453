/**
 * A proxy in front of the nodes that behaves as `deploy/Caddyfile` says: it asks each node every second for `/readyz`, sends
 * requests to those that are ready, one after the other, over connections that it keeps. A node that refuses a connection
 * is left out for 2 s, and the request goes to the next node. A request that may have arrived is never sent again.
 */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

const ASK_EVERY_MS = 1_000
const ANSWER_WITHIN_MS = 2_000
const LEFT_OUT_MS = 2_000
/** How long a request waits for a node that takes it. */
const TRY_MS = 3_000
const PAUSE_MS = 50

interface Upstream {
  port: number
  isReady: boolean
  /** It refused a connection, and is left out until then, by the monotonic clock. */
  outUntil: number
}

export class Proxy {
  readonly #upstreams: Upstream[]
  readonly #agent = new Agent({ keepAlive: true })
  readonly #server = createServer((incoming, answer) => void this.#take(incoming, answer))
  #timer: NodeJS.Timeout | undefined
  #next = 0

  private constructor(ports: number[]) {
    this.#upstreams = ports.map((port) => ({ port, isReady: false, outUntil: 0 }))
  }

  static async start(urls: string[]): Promise<Proxy> {
    const proxy = new Proxy(urls.map((url) => Number(new URL(url).port)))
    await proxy.#askAll()
    proxy.#timer = setInterval(() => void proxy.#askAll(), ASK_EVERY_MS)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    clearInterval(this.#timer)
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
  }

  async #askAll(): Promise<void> {
    await Promise.all(
      this.#upstreams.map(async (upstream) => {
        const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
        const asked = fetch(`http://127.0.0.1:${upstream.port}/readyz`, { signal })
        upstream.isReady = await asked.then(
          ({ ok }) => ok,
          () => false,
        )
      }),
    )
  }

  async #take(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(incoming)
    const deadline = performance.now() + TRY_MS
    const tryNext = () => {
      const upstream = this.#choose()
      if (upstream !== undefined) this.#send(upstream, incoming, body, answer, tryNext)
      else if (performance.now() > deadline) answer.writeHead(503).end('{"code":"NO_NODE"}')
      else setTimeout(tryNext, PAUSE_MS)
    }
    tryNext()
  }

  #choose(): Upstream | undefined {
    const now = performance.now()
    for (let tried = 0; tried < this.#upstreams.length; tried += 1) {
      const upstream = this.#upstreams[this.#next++ % this.#upstreams.length] as Upstream
      if (upstream.isReady && upstream.outUntil < now) return upstream
    }
    return undefined
  }

  #send(
    upstream: Upstream,
    { method, url, headers }: IncomingMessage,
    body: Buffer,
    answer: ServerResponse,
    tryNext: () => void,
  ): void {
    const { connection: _, 'transfer-encoding': __, ...more } = headers
    const options = { port: upstream.port, method, path: url, agent: this.#agent }
    const sent = request({ ...options, headers: { ...more, 'content-length': body.length } }, (response) => {
      const { connection: _, 'keep-alive': __, ...given } = response.headers
      answer.writeHead(response.statusCode ?? 502, given)
      response.pipe(answer)
      response.on('error', () => answer.destroy())
    })
    sent.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (answer.headersSent) answer.destroy()
      else if (code === 'ECONNREFUSED') {
        upstream.outUntil = performance.now() + LEFT_OUT_MS
        tryNext()
      } else answer.writeHead(502).end(JSON.stringify({ code: `PROXY_${code}` }))
    })
    answer.on('close', () => sent.destroy())
    sent.end(body)
  }
}
