/** A server process closes on a signal: what it finishes, what it ends, and with which exit code. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isProblem } from '../http-helper.ts'
import { run, serve } from '../process-helper.ts'

// The tests wait for timeouts and for the starts of processes.
t.jobs = 3

t.test(
  'SIGTERM: running methods finish, new work is refused, and the exit code is 0',
  { buffered: true },
  async (t) => {
    const { server, holds } = await serve(t)
    const held = Array.from({ length: 5 }, () => holds('hold'))
    const { json: job } = await server.request('POST', '/v1/services/holds/cast/hold')
    await server.prints(/(held[^]*){6}/)
    const following = server.request('GET', `/v1/jobs/${job.id}`, { headers: { prefer: 'wait=60' } })
    t.equal((await server.request('GET', '/readyz')).status, 200)

    server.child.kill('SIGTERM')
    await server.prints(/SIGTERM: closing/)
    t.match(await server.request('GET', '/readyz'), { status: 503, json: { status: 'unavailable' } })
    t.equal((await server.request('GET', '/livez')).status, 200)
    isProblem(t, await holds('hold'), 'SHUTTING_DOWN')
    isProblem(t, await server.request('POST', '/v1/services/holds/cast/hold'), 'SHUTTING_DOWN')
    isProblem(t, await server.request('POST', '/v1/services/holds/start'), 'SHUTTING_DOWN')

    writeFileSync(join(server.folder, 'let-go'), '')
    for (const answer of await Promise.all(held)) t.match(answer, { status: 200, json: 'held to the end' })
    t.match((await following).json, { state: 'running' })
    t.same(await server.ended(), { code: 0, signal: null })
  },
)

t.test(
  'before it closes, a server is not ready and serves for THREADPLANE_CLOSE_DELAY',
  { buffered: true },
  async (t) => {
    const { server, holds } = await serve(t, { THREADPLANE_CLOSE_DELAY: '10m' })
    const held = holds('hold').catch((error: Error) => error)
    await server.prints(/held/)
    server.child.kill('SIGTERM')
    await server.prints(/SIGTERM: closing/)
    t.equal((await server.request('GET', '/readyz')).status, 503)
    t.equal((await server.request('POST', '/v1/services/holds/cast/hold')).status, 202)
    server.child.kill('SIGTERM')
    t.same(await server.ended(), { code: 137, signal: null })
    await held
  },
)

t.test('a thread that loops for ever is ended at the timeout, with exit code 0', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  await holds('loop')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /did not close within 500 ms .*still run are ended/)
})

t.test('a call that never ends is aborted at the timeout, with exit code 0', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  await held
})

for (const [when, environment] of [
  ['at the timeout', { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' }],
  ['before the timeout', { THREADPLANE_SHUTDOWN_TIMEOUT: '20s' }],
] as const) {
  t.test(`a thread blocked in native code is ended ${when}, with exit code 0`, { buffered: true }, async (t) => {
    const { server, holds } = await serve(t, environment)
    const fifo = join(server.folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    await holds('block', { fifo })
    const waiting = holds('hold')
    while ((await server.request('GET', '/v1/services/holds')).json.queue.size === 0) continue
    server.child.kill('SIGTERM')
    isProblem(t, await waiting, 'SERVICE_NOT_RUNNING')
    t.same(await server.ended(), { code: 0, signal: null })
  })
}

t.test('without a launcher a server with a blocked thread ends itself with SIGKILL', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' }, '--no-supervise')
  const { pid } = await server.listens()
  t.equal(pid, server.child.pid, 'there is one process')
  await holds('sleep')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
})

t.test('without a launcher a second signal ends the process at once', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SUPERVISE: 'false' })
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  server.child.kill('SIGINT')
  t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
  await held
})

t.test('a second signal ends the process at once, and is not reported as a crash', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t)
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  server.child.kill('SIGINT')
  t.same(await server.ended(), { code: 137, signal: null })
  t.notMatch(server.output, /died|restarting/)
  await held
})

t.test('a signal while services start closes the server, with exit code 0', { buffered: true }, async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { loops: 'loops-at-import' })
  await server.prints(/listening/)
  t.match(await server.request('GET', '/startupz'), { status: 503 })
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /closing[^]*closed/)
  t.notMatch(server.output, /services:|did not start/, 'the log does not mention starts that the signal interrupted')
})
