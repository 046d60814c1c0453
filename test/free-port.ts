/** A port for a server that must be told which. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that the system gives to everybody who asks for any: so nobody takes it before the server listens. */
const FIRST = 10_000
const LAST = 32_000

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      server.close()
      await once(server, 'close')
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}
