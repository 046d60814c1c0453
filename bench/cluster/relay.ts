/**
 * Passes TCP connections on to a port of loopback, and can behave as a network that fails: while it is cut, connections
 * stay open and nothing arrives. What was sent meanwhile arrives afterwards, as TCP would send it again.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Relay {
  /** Where connections lead from now on; those that are open stay where they are. */
  target: number
  /** The address on which it listens. */
  readonly host: string
  #port = 0
  #server: Server | undefined
  #isCut = false
  /** Both ends of each connection. */
  readonly #pairs = new Set<[Socket, Socket]>()
  /** What happened at one end while it was cut, and is to reach the other end afterwards. */
  #afterwards: (() => void)[] = []

  private constructor(target: number, host: string) {
    this.target = target
    this.host = host
  }

  static async start(target: number, host = '127.0.0.1'): Promise<Relay> {
    const relay = new Relay(target, host)
    await relay.listen()
    return relay
  }

  get port(): number {
    return this.#port
  }

  /** Accepts connections on its port, which stays the same. */
  async listen(): Promise<void> {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
      client.on('error', () => {})
      this.#whenWhole(() => this.#join(client))
    })
    server.listen(this.#port, this.host)
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Refuses connections, as a port behind which nothing listens. */
  refuse(): void {
    this.#server?.close()
  }

  cut(): void {
    this.#isCut = true
    for (const pair of this.#pairs) {
      for (const end of pair) {
        end.unpipe()
        end.pause()
      }
    }
  }

  heal(): void {
    this.#isCut = false
    for (const pair of this.#pairs) flow(pair)
    const afterwards = this.#afterwards
    this.#afterwards = []
    for (const run of afterwards) run()
  }

  close(): void {
    this.refuse()
    this.heal()
    for (const pair of this.#pairs) for (const end of pair) end.destroy()
  }

  #join(client: Socket): void {
    if (client.destroyed) return
    const server = connect({ port: this.target, host: '127.0.0.1', noDelay: true })
    server.on('error', () => {})
    const pair: [Socket, Socket] = [client, server]
    this.#pairs.add(pair)
    client.once('close', () => this.#whenWhole(() => server.destroy()))
    server.once('close', () => {
      this.#whenWhole(() => {
        this.#pairs.delete(pair)
        client.destroy()
      })
    })
    if (!this.#isCut) flow(pair)
  }

  #whenWhole(run: () => void): void {
    if (this.#isCut) this.#afterwards.push(run)
    else run()
  }
}

function flow([client, server]: [Socket, Socket]): void {
  if (!client.destroyed) client.pipe(server)
  if (!server.destroyed) server.pipe(client)
}
