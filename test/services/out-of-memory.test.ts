/**
 * Six ways to run out of memory in a service's own process, over HTTP (P4). Calls and casts settle, the service works
 * again, and another service is not affected. In a thread the same may abort the server: see `test/launcher`.
 * `THREADPLANE_SOAK=1` runs ten rounds instead of one, with more memory to fill.
 */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const isSoak = process.env.THREADPLANE_SOAK === '1'
const ROUNDS = isSoak ? 10 : 1
const limits = isSoak ? { maxOldGenerationSizeMb: 64, maxRssMb: 400 } : { maxOldGenerationSizeMb: 32, maxRssMb: 250 }

t.setTimeout(120_000 * ROUNDS)
const server = await serve(t, { services: { exhausts: '../fixtures/exhausts', other: 'echo' }, start: false })
const restart = { maxRestarts: 100_000, backoffMs: 1, backoffMaxMs: 1 }
await Promise.all([
  server.put('exhausts', { module: 'exhausts.js', isolation: 'process', limits, restart }),
  server.post('/v1/services/other/start'),
])

for (let round = 1; round <= ROUNDS; round += 1) {
  for (const method of ['objects', 'strings', 'arrays', 'map', 'closures', 'buffers']) {
    t.test(`round ${round}: ${method} runs out of memory; its call and its cast fail with THREAD_DIED`, async (t) => {
      const cast = await server.cast('exhausts', method, {}, '?maxAttempts=1')
      isProblem(t, await server.call('exhausts', method), 'THREAD_DIED', { started: true, detail: /memory|maxRssMb/ })
      t.match(await server.call('other', 'any', method), { status: 200, json: method }, 'another service')
      t.match(await server.finished(cast.json.id), { state: 'failed', error: { code: 'THREAD_DIED' } })
      t.match(await server.call('exhausts', 'echo', 'back'), { status: 200, json: 'back' })
    })
  }
}
