/**
 * Gates: a method of `fixtures/gates.ts` waits at a gate until the test opens it, also in another process. The test
 * listens on a socket; the environment, which threads and processes inherit, has its path.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Teardown } from './helper.ts'

/**
 * For the test. Returns the function that opens a gate. Each key is opened once: all threads hear of it, and one that is
 * slow might open the gate of a later test.
 */
export function serveGates(t: Teardown): (key: string) => void {
  const opened = new Set<string>()
  const path = join(tmpdir(), `threadplane-gates-${randomUUID()}`)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.write('hello\n')
  })
  server.listen(path)
  process.env.TEST_GATES = path
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (key) => {
    if (opened.has(key)) throw new Error(`the gate ${key} was opened before`)
    opened.add(key)
    for (const socket of sockets) socket.write(`${key}\n`)
  }
}

/** For the service. Resolves once it is connected: from then on it hears of every gate that opens. */
export async function watchGates(onOpen: (key: string) => void): Promise<void> {
  const socket = connect(process.env.TEST_GATES as string)
  socket.on('error', () => {})
  const lines = createInterface(socket)
  await once(lines, 'line')
  lines.on('line', onOpen)
  socket.unref()
}
