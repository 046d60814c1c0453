/** A proxy of TCP that can cut a connection at the moment at which the server answers. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import type { Test } from 'tap'

export class CuttingProxy {
  readonly #server: Server
  readonly #target: number
  /** True: what the server has sent is not passed on, and the connection ends. */
  cuts: (sent: string) => boolean = () => false

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => {
      const server = connect(this.#target, '127.0.0.1')
      for (const [socket, other] of [
        [client, server],
        [server, client],
      ] as const) {
        socket.on('error', () => {})
        socket.on('close', () => other.destroy())
      }
      client.pipe(server)
      server.on('data', (bytes) => {
        if (this.cuts(bytes.toString())) client.resetAndDestroy()
        else client.write(bytes)
      })
    })
  }

  /** @param target the port of the server */
  static async listen(t: Test, target: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.teardown(() => proxy.#server.close())
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
}
