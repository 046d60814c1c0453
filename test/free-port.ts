/** A port for a server that must be told which. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that the system gives to everybody who asks for any: so nobody takes it before the server listens. */
const FIRST = 10_000
const LAST = 32_000

/** A port that no other caller gets while this process lives, in whichever process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if ((await reserve(port)) && (await isFree(port))) return port
  }
}

/**
 * Takes the port of UDP with the same number until this process ends: nothing else uses it. Answers false if another caller has
 * it.
 */
async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref()
  const bound = once(socket, 'listening')
  socket.bind({ port, address: '127.0.0.1', exclusive: true })
  return isDone(bound)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listens = once(server, 'listening')
  server.listen(port, '127.0.0.1')
  if (!(await isDone(listens))) return false
  server.close()
  await once(server, 'close')
  return true
}

/** @throws Error if it fails as something else than an address in use */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return false
  }
}
