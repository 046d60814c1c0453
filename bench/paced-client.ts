/**
 * A client in a process of its own that posts `{"a":2,"b":3}` at a fixed rate, whether it is answered or not. The
 * latency of a request counts from the time when the request was due, not from the time when it could be sent: so a
 * server that stalls is charged for every request that waited meanwhile. The connections stay open from round to round,
 * because accepting all of them at once would itself stall a server.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface PacedRequest {
  perSecond: number
  seconds: number
}

export interface Paced {
  /** One for each request that was answered with the sum. */
  latenciesMs: number[]
  /** Refused, or not answered. */
  failed: number
}

const CONNECTIONS = 64
const TICK_MS = 2
/** A timer that is late by less than this counts as on time: timers count whole milliseconds. */
const TIMER_MS = 1
/** A request without an answer after this time has failed. */
const PATIENCE_MS = 10_000

const ANSWER = /^HTTP\/1\.1 200 [^]*\r\n\r\n\{"sum":5\}$/
/** The answer to a wrong token. */
const REFUSAL = /^HTTP\/1\.1 4(01|29) [^]*\r\n\r\n\{[^]*\}$/
const BODY = '{"a":2,"b":3}'

class Client {
  readonly #url: URL
  readonly #request: string
  readonly #sockets = new Set<Socket>()
  readonly #free: Socket[] = []
  #due: number[] = []
  #latencies: number[] = []
  #failed = 0

  readonly #localAddress: string | undefined

  /**
   * @param token sent as `Authorization`
   * @param localAddress the address of the client
   */
  constructor(url: string, token?: string, localAddress?: string) {
    this.#url = new URL(url)
    this.#localAddress = localAddress
    const { pathname, host } = this.#url
    const head = [`POST ${pathname} HTTP/1.1`, `host: ${host}`, 'content-type: application/json']
    if (token !== undefined) head.push(`authorization: Bearer ${token}`)
    this.#request = [...head, `content-length: ${BODY.length}`, '', BODY].join('\r\n')
  }

  async pace({ perSecond, seconds }: PacedRequest): Promise<Paced> {
    this.#latencies = []
    this.#failed = 0
    while (this.#sockets.size < CONNECTIONS) await this.#connect()
    await this.#post(perSecond, Math.round(perSecond * seconds))
    const patience = performance.now() + PATIENCE_MS
    const waiting = () => this.#due.length > 0 || this.#free.length < this.#sockets.size
    while (waiting() && performance.now() < patience) await sleep(10)
    this.#failed += this.#due.length
    this.#due = []
    const late = [...this.#sockets].filter((socket) => !this.#free.includes(socket))
    await Promise.all(late.map((socket) => once(socket.destroy(), 'close')))
    return { latenciesMs: this.#latencies, failed: this.#failed }
  }

  async #post(perSecond: number, wanted: number): Promise<void> {
    const since = performance.now()
    let requested = 0
    for (let tick = 0; requested < wanted; tick += 1) {
      const due = since + tick * TICK_MS
      const now = performance.now()
      if (now < due) await sleep(due - now)
      const late = performance.now() - due
      const soFar = Math.min(Math.round(((tick + 1) * TICK_MS * perSecond) / 1_000), wanted)
      for (; requested < soFar; requested += 1) this.#due.push(late <= TIMER_MS ? due + late : due)
      this.#send()
    }
  }

  #send(): void {
    while (this.#free.length > 0 && this.#due.length > 0) this.#free.pop()?.emit('ask', this.#due.shift())
  }

  async #connect(): Promise<void> {
    const { port, hostname: host } = this.#url
    const from = this.#localAddress === undefined ? {} : { localAddress: this.#localAddress }
    const socket = connect({ port: Number(port), host, noDelay: true, ...from })
    socket.setEncoding('latin1')
    let text = ''
    let due: number | undefined
    socket.on('ask', (at: number) => {
      due = at
      socket.write(this.#request)
    })
    socket.on('data', (chunk: string) => {
      text += chunk
      const isRefused = REFUSAL.test(text)
      if (!isRefused && !ANSWER.test(text)) return
      text = ''
      if (isRefused) this.#failed += 1
      else this.#latencies.push(performance.now() - (due as number))
      due = undefined
      this.#free.push(socket)
      this.#send()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (due !== undefined) this.#failed += 1
      else this.#free.splice(this.#free.indexOf(socket), 1)
    })
    await once(socket, 'connect')
    this.#sockets.add(socket)
    this.#free.push(socket)
  }
}

const [, , url, token, localAddress] = process.argv
const client = new Client(url as string, token, localAddress)
process.on('message', (request: PacedRequest) => {
  void client.pace(request).then((paced) => process.send?.(paced))
})
process.on('disconnect', () => process.exit())
