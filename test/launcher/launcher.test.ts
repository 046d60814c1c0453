/** The launcher (P4): which ends of the server it repairs, how, and what it reports. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { request } from '../http-helper.ts'
import { Process, run, serve } from '../process-helper.ts'

// The tests wait for the starts of processes.
t.jobs = 2

t.test('after kill -9 the server is back on its port, with all casts and a report', { buffered: true }, async (t) => {
  const { server } = await serve(t)
  const { pid, port } = await server.listens()
  t.not(pid, server.child.pid)
  const cast = (query = '') => request(port, 'POST', `/v1/services/holds/cast/hold${query}`, { json: {} })
  const jobs = await Promise.all([cast(), cast('?delayMs=1')])
  await server.prints(/(held[^]*){2}/)
  t.same(
    jobs.map(({ status }) => status),
    [202, 202],
  )

  process.kill(pid, 'SIGKILL')
  const report = await server.logs(/the server died/)
  t.match(report, { level: 60, pid: server.child.pid, server: pid, signal: 'SIGKILL', services: 'holds running' })
  t.match(report.msg, /^the server died of SIGKILL after \d+m?s$/)
  t.ok((report.ranMs as number) > 0)

  const again = await server.listens(2)
  t.equal(again.port, port, 'a free port is chosen only once')
  t.not(again.pid, pid)
  writeFileSync(join(server.folder, 'let-go'), '')
  for (const { json } of jobs) {
    const { json: job } = await request(port, 'GET', `/v1/jobs/${json.id}`, { headers: { prefer: 'wait=60' } })
    t.match(job, { state: 'succeeded', attempts: 2 })
  }
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
})

t.test(
  'after a thread ran out of memory the server is back, and the report has the reason',
  { buffered: true },
  async (t) => {
    const server = run(t, ['serve', 'workers'], {}, { hoards: 'hoards' })
    await server.prints(/services: hoards running/)
    const { json: job } = await server.request('POST', '/v1/services/hoards/cast/hoard', { json: {} })
    const report = await server.logs(/the server died/)
    t.match(report, { signal: 'SIGABRT', services: 'hoards running', lastWords: /out of memory/ })
    t.match(report.msg, /^the server died of SIGABRT after \d+m?s: FATAL ERROR: .*out of memory/)

    await server.listens(2)
    const { json: failed } = await server.request('GET', `/v1/jobs/${job.id}`, { headers: { prefer: 'wait=60' } })
    t.match(failed, { state: 'failed', attempts: 1 })
    await server.prints(/(services: hoards running[^]*){2}/)
    t.match(await server.request('POST', '/v1/services/hoards/call/echo', { json: 1 }), { status: 200, json: 1 })
  },
)

t.test('after an error of the server itself, or a native crash, the server is back', { buffered: true }, async (t) => {
  const preload = fileURLToPath(new URL('../fixtures/faulty-server.js', import.meta.url))
  const { server } = await serve(t, { NODE_OPTIONS: `--import=${preload}` })
  const { pid } = await server.listens()
  process.kill(pid, 'SIGWINCH')
  t.match(await server.logs(/the server fails/), { err: { message: 'a fault of the server' } })
  t.match(await server.logs(/the server died/), { exitCode: 1, msg: /with exit code 1/ })
  const again = await server.listens(2)
  process.kill(again.pid, 'SIGSEGV')
  t.match(await server.logs(/the server died/, 2), { signal: 'SIGSEGV', msg: /of SIGSEGV/ })
  await server.listens(3)
})

t.test('kill -9 of the launcher ends the server, and unlocks the data folder', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t)
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGKILL')
  // The output of the launcher is closed when the server process, which has the same stdout, has ended.
  t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
  t.match(await held, { code: 'ECONNRESET' })
  const next = new Process(t, server.folder, ['serve', 'workers'], {})
  await next.prints(/services: holds running/)
})

t.test("a service that takes many threads of libuv's pool holds up no other", { buffered: true }, async (t) => {
  const { server } = await serve(t)
  writeFileSync(
    join(server.folder, 'workers', 'takes.js'),
    `import { execFileSync } from 'node:child_process'
    import { open } from 'node:fs'
    import { defineService, method } from 'threadplane/service'
    const take = () => {
      execFileSync('mkfifo', ['pipe'])
      for (let n = 0; n < 16; n += 1) open('pipe', 'r', () => {})
    }
    export default defineService({ methods: { take: method({ handler: take }) } })`,
  )
  const post = (path: string) => server.request('POST', `/v1/services/${path}`, { json: {} })
  t.match(await server.request('PUT', '/v1/services/takes', { json: { module: 'takes.js' } }), { status: 201 })
  t.match(await post('takes/call/take'), { status: 200 })
  for (const operation of ['reload', 'restart', 'stop', 'start']) {
    t.match(await server.request('POST', `/v1/services/holds/${operation}`), { status: 200 }, operation)
  }
  server.child.kill('SIGKILL')
})
