/** A small proxy in front of several servers: each request goes to the next of them, each on a connection of its own. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'

export class RoundRobin {
  readonly port: number

  private constructor(port: number) {
    this.port = port
  }

  static async start(t: Test, ports: number[]): Promise<RoundRobin> {
    let next = 0
    const proxy = createServer((incoming, answer) => {
      const port = ports[next++ % ports.length] as number
      const { method, url, headers } = incoming
      const outgoing = request({ port, method, path: url, headers, agent: false }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(answer)
        response.on('error', () => answer.destroy())
      })
      outgoing.on('error', () => answer.destroy())
      answer.on('close', () => outgoing.destroy())
      incoming.pipe(outgoing)
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    t.teardown(() => {
      proxy.close()
      proxy.closeAllConnections()
    })
    return new RoundRobin((proxy.address() as AddressInfo).port)
  }
}
