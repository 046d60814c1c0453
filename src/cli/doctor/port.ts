/** Who listens on a port of this machine. */
import { once } from 'node:events'
import { createServer } from 'node:net'

const ASK_MS = 1_000

/** `nobody`, `threadplane`, or the code of the error with which the port is refused. */
export async function whoListens(host: string, port: number): Promise<string> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return 'nobody'
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    return (await isThreadplane(host, port)) ? 'threadplane' : code
  }
}

/** Health probes are answered without a token. */
async function isThreadplane(host: string, port: number): Promise<boolean> {
  const name = host.includes(':') ? `[${host}]` : host
  try {
    const response = await fetch(`http://${name}:${port}/startupz`, { signal: AbortSignal.timeout(ASK_MS) })
    const type = response.headers.get('content-type') ?? ''
    await response.body?.cancel()
    return type.startsWith('application/') && (response.status === 200 || response.status === 503)
  } catch {
    return false
  }
}
