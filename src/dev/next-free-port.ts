/** The first port from a given one on that nobody listens on. */
import { once } from 'node:events'
import { createServer } from 'node:net'

const LAST_PORT = 65_535

/**
 * @param from 0 stands for any port
 * @throws the error of the system, if the address cannot be listened on for another reason, or no port is left
 */
export async function nextFreePort(host: string, from: number): Promise<number> {
  for (let port = from; ; port += 1) {
    const server = createServer()
    try {
      server.listen(port, host)
      await once(server, 'listening')
      return port
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' || port === 0 || port >= LAST_PORT) throw error
    } finally {
      server.close()
    }
  }
}
