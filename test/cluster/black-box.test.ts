/**
 * A client cannot tell how many nodes there are: tests of routes, which know of no cluster, pass through a proxy that asks
 * three nodes in turn. Each file runs in a process of its own; `serve` starts three servers there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { noPostgres, Postgres } from './postgres.ts'

const isLong = process.env.THREADPLANE_SOAK !== undefined
/** Files of test/routes that speak to the server by HTTP only: each node runs their services. */
const ON_ALL = ['preferences', 'method-problems', ...(isLong ? ['idempotency'] : [])]
/** Files that look at threads and queues as well: their services run on one node, and two of three requests reach another. */
const ON_ONE = ['calls', ...(isLong ? ['casts', 'lifecycle', 'events', 'logs'] : [])]

t.test('through a proxy over three nodes', { skip: noPostgres, timeout: 600_000 }, async (t) => {
  const postgres = await Postgres.start(t, { settings: { max_connections: '200' } })
  for (const file of [...ON_ALL, ...ON_ONE]) {
    const path = fileURLToPath(new URL(`../routes/${file}.test.js`, import.meta.url))
    const env = {
      ...process.env,
      TEST_DATABASE: postgres.url,
      TAP_TIMEOUT: '240',
      ...(ON_ONE.includes(file) && { TEST_PLACED: 'on one node' }),
    }
    const child = spawn(process.execPath, [path], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    const [code] = await once(child, 'close')
    t.equal(code, 0, `${file}: ${text.match(/^ *not ok .*/gm)?.join('; ') ?? 'passes'}`)
  }
})
