/** Connections that processes hold until they end. So the test sees the end of a process as an event. */
import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Teardown, until } from './helper.ts'

interface Links {
  /** Waits until this many connections are open. */
  linked: (count: number) => Promise<void>
  /** Closes them all. */
  cut: () => void
}

/** Listens for such connections. The environment variable `TEST_LINK` is the address. */
export function serveLinks(t: Teardown): Links {
  const links = new Set<Socket>()
  const server: Server = createServer((socket) => {
    links.add(socket)
    server.emit('links')
    socket.on('error', () => {})
    socket.on('close', () => {
      links.delete(socket)
      server.emit('links')
    })
    socket.resume()
  })
  const path = join(tmpdir(), `threadplane-links-${randomUUID()}`)
  process.env.TEST_LINK = path
  server.listen(path)
  t.teardown(() => server.close())
  return {
    linked: (count) => until(`${count} links`, server, 'links', () => links.size === count),
    cut: () => {
      for (const link of links) link.destroy()
    },
  }
}
