/** `redis-server` as a child of this process. If it ends, this process ends too. */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/contender.ts'

export interface Connection {
  host: string
  port: number
  maxRetriesPerRequest: null
}

/** `durable`: on disk before the answer. `volatile`: in memory only. */
export type Durability = 'durable' | 'volatile'

const SETTINGS: Record<Durability, string[]> = {
  durable: ['--appendonly', 'yes', '--appendfsync', 'always'],
  volatile: ['--appendonly', 'no'],
}

export async function startRedis(folder: string, durability: Durability): Promise<Connection> {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const policy = ['--maxmemory-policy', 'noeviction']
  const child = spawn('redis-server', [...options, ...policy, ...SETTINGS[durability]], { stdio: 'ignore' })
  child.once('exit', (code) => {
    throw new Error(`redis-server ended with code ${code}`)
  })
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (connected) return { host: '127.0.0.1', port, maxRetriesPerRequest: null }
    await sleep(20)
  }
}
