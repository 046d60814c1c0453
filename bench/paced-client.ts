/**
 * A client in a process of its own that posts `{"a":2,"b":3}` at a fixed rate, whether it is answered or not. A latency
 * counts from when its request was due, not from when it could be sent, so that a server that stalls is charged for all
 * that waited meanwhile.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface PacedRequest {
  url: string
  perSecond: number
  seconds: number
}

export interface Paced {
  requests: number
  failed: number
  p50Ms: number
  p99Ms: number
  mostMs: number
}

const CONNECTIONS = 64
const TICK_MS = 2
/** A timer that is late by less is on time: it counts whole milliseconds. */
const TIMER_MS = 1
/** What is not answered by then has failed. */
const PATIENCE_MS = 10_000

const ANSWER = /^HTTP\/1\.1 200 [^]*\r\n\r\n\{"sum":5\}$/
const BODY = '{"a":2,"b":3}'

class Run {
  readonly #latencies: number[] = []
  readonly #due: number[] = []
  readonly #free: Socket[] = []
  readonly #sockets = new Set<Socket>()
  readonly #request: string
  readonly #url: URL
  #failed = 0
  #open = 0

  constructor(url: string) {
    this.#url = new URL(url)
    const { pathname, host } = this.#url
    const head = [`POST ${pathname} HTTP/1.1`, `host: ${host}`, 'content-type: application/json']
    this.#request = [...head, `content-length: ${BODY.length}`, '', BODY].join('\r\n')
  }

  async pace({ perSecond, seconds }: PacedRequest): Promise<Paced> {
    for (let count = 0; count < CONNECTIONS; count += 1) this.#connect()
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'connect')))
    await new Promise<void>((resolve) => {
      const since = performance.now()
      const wanted = Math.round(perSecond * seconds)
      let requested = 0
      let ticks = 0
      const tick = () => {
        const now = performance.now()
        const due = since + ticks * TICK_MS
        ticks += 1
        const soFar = Math.min(Math.round((ticks * TICK_MS * perSecond) / 1_000), wanted)
        for (; requested < soFar; requested += 1) this.#due.push(now - due <= TIMER_MS ? now : due)
        this.#send()
        if (requested < wanted) setTimeout(tick, Math.max(since + ticks * TICK_MS - performance.now(), 0))
        else resolve()
      }
      tick()
    })
    const patience = performance.now() + PATIENCE_MS
    while (this.#open + this.#due.length > 0 && performance.now() < patience) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    this.#failed += this.#open + this.#due.length
    for (const socket of this.#sockets) socket.destroy()
    const sorted = Float64Array.from(this.#latencies).sort()
    const at = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN
    return { requests: sorted.length, failed: this.#failed, p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) }
  }

  #send(): void {
    while (this.#free.length > 0 && this.#due.length > 0) {
      const socket = this.#free.pop() as Socket
      this.#open += 1
      socket.emit('ask', this.#due.shift())
    }
  }

  #connect(): void {
    const socket = connect({ port: Number(this.#url.port), host: this.#url.hostname, noDelay: true })
    socket.setEncoding('latin1')
    this.#sockets.add(socket)
    let text = ''
    let due: number | undefined
    socket.on('connect', () => this.#release(socket))
    socket.on('ask', (at: number) => {
      due = at
      socket.write(this.#request)
    })
    socket.on('data', (chunk: string) => {
      text += chunk
      if (!ANSWER.test(text)) return
      text = ''
      this.#latencies.push(performance.now() - (due as number))
      due = undefined
      this.#open -= 1
      this.#release(socket)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (due === undefined) return
      this.#failed += 1
      this.#open -= 1
    })
  }

  #release(socket: Socket): void {
    this.#free.push(socket)
    this.#send()
  }
}

process.on('message', (request: PacedRequest) => {
  void new Run(request.url).pace(request).then((paced) => process.send?.(paced))
})
process.on('disconnect', () => process.exit())
