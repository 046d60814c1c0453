/** `isolation: 'process'` over HTTP: when the process of a service dies, no other service is affected (P4). */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { exhausts: 'exhausts', echo: 'echo', dies: 'dies' } })

t.test('a service with isolation: process runs in its own process, and its status says so', async (t) => {
  t.match(await server.status('exhausts'), {
    state: 'running',
    isolation: 'process',
    stuck: 0,
    threads: [{ responsive: true, heapUsedBytes: Number }],
  })
  t.not((await server.call('exhausts', 'pid')).json, process.pid)
  t.match(await server.status('echo'), { isolation: 'thread', stuck: 0 })
})

t.test('a call that runs out of memory fails at once with THREAD_DIED, and the service works again', async (t) => {
  const before = (await server.call('exhausts', 'pid')).json
  isProblem(t, await server.call('exhausts', 'buffers'), 'THREAD_DIED', { started: true, detail: /maxRssMb is 300/ })
  t.not((await server.call('exhausts', 'pid')).json, before)
  t.match(await server.status('exhausts'), { state: 'running', restartCount: 1 })
})

t.test('a cast whose process crashes natively is retried, and its history has each attempt', async (t) => {
  const { json } = await server.cast('exhausts', 'crashes', { deaths: 2 })
  t.match(await server.finished(json.id), {
    state: 'succeeded',
    attempts: 3,
    result: 3,
    history: [{ error: { code: 'THREAD_DIED', message: /SIGSEGV/ } }, { error: { code: 'THREAD_DIED' } }, {}],
  })
})

t.test('POST crash with kind oom ends the process, and the supervisor starts another', async (t) => {
  await server.put('chaos', {
    module: 'dies.js',
    isolation: 'process',
    limits: { maxOldGenerationSizeMb: 64, maxRssMb: 500 },
  })
  t.match(await server.post('/v1/services/chaos/crash', { kind: 'oom' }), { status: 200 })
  await server.logs.line('chaos crashed')
  await server.restarted('chaos', 1)
  t.match(await server.status('chaos'), { restartCount: 1 })
})

t.test('PUT moves a service to a process and back to a thread', async (t) => {
  t.match((await server.put('echo', { module: 'echo.js', isolation: 'process' })).json, { isolation: 'process' })
  t.match(await server.call('echo', 'any', { a: 1 }), { status: 200, json: { a: 1 } })
  t.match((await server.put('echo', { module: 'echo.js' })).json, { isolation: 'thread' })
  t.match(await server.call('echo', 'any', { a: 2 }), { status: 200, json: { a: 2 } })
})
