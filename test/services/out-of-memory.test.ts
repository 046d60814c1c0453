/**
 * Six ways of running out of memory, in a process of its own, over HTTP (P4): calls and casts settle, the service is
 * back, another one notices nothing. In a thread they may abort the process: what brings that back is tested in `plane/`.
 */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

t.setTimeout(120_000)
const server = await serve(t, { services: { exhausts: '../fixtures/exhausts', other: 'echo' } })
const limits = { maxOldGenerationSizeMb: 64, maxRssMb: 400 }
const restart = { maxRestarts: 100_000, backoffMs: 1 }
await server.put('exhausts', { module: 'exhausts.js', isolation: 'process', limits, restart })

for (const method of ['objects', 'strings', 'arrays', 'map', 'closures', 'buffers']) {
  t.test(`out of memory by ${method}, in a process of its own: its call and its cast are THREAD_DIED`, async (t) => {
    const cast = await server.cast('exhausts', method, {}, '?maxAttempts=1')
    isProblem(t, await server.call('exhausts', method), 'THREAD_DIED', { started: true, detail: /memory|maxRssMb/ })
    t.match(await server.call('other', 'any', method), { status: 200, json: method }, 'another service')
    t.match(await server.finished(cast.json.id), { state: 'failed', error: { code: 'THREAD_DIED' } })
    t.match(await server.call('exhausts', 'echo', 'back'), { status: 200, json: 'back' })
  })
}
