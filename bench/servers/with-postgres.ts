/**
 * Runs a program beside a PostgreSQL of its own, so that the CPU time of both is counted, and both are on the same cores.
 * Ends PostgreSQL, and deletes its files, after the program.
 *
 *     with-postgres.js <port of PostgreSQL> <command> [arguments]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Postgres } from '../../test/cluster/postgres.ts'

/** Those of PostgreSQL, in place of the smaller ones of the tests. */
const DEFAULTS = { shared_buffers: '128MB', max_connections: '100' }

const [port, command = '', ...args] = process.argv.slice(2)
const ends: (() => unknown)[] = []
let program: ChildProcess | undefined
let isEnding = false
process.once('SIGTERM', () => {
  isEnding = true
  program?.kill('SIGTERM')
})

try {
  const teardown = (run: () => unknown) => ends.unshift(run)
  await Postgres.start({ teardown }, { fsync: true, port: Number(port), settings: DEFAULTS })
  if (!isEnding) process.exitCode = await run()
} finally {
  for (const end of ends) await end()
}

/** Messages pass in both directions. */
async function run(): Promise<number> {
  const ipc = process.send === undefined ? [] : ['ipc' as const]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', ...ipc] })
  program = child
  child.on('message', (message) => process.send?.(message))
  const pass = (message: unknown) => child.send(message as string)
  process.on('message', pass)
  const [code] = (await once(child, 'exit')) as [number | null]
  process.off('message', pass)
  return code ?? 1
}
