/** Connections that fixtures, and what they start, hold for as long as their processes live: their end is an event. */
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Teardown, until } from './helper.ts'

interface Links {
  /** Waits until there are so many. */
  linked: (count: number) => Promise<void>
  /** Ends them from here. */
  cut: () => void
}

/** Their address is in the environment: `TEST_LINK`. */
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
  const path = join(tmpdir(), `threadplane-links-${process.pid}`)
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
