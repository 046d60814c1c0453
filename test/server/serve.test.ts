/** The end of the server as a process: what runs, what is blocked, and how it ends. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isProblem } from '../http-helper.ts'
import { run, serve } from '../process-helper.ts'

t.test('SIGTERM under load: nothing that runs is dropped, nothing new is taken, and the exit code is 0', async (t) => {
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
  t.match((await following).json, { state: 'succeeded', result: 'held to the end' })
  t.same(await server.ended(), { code: 0, signal: null })
})

t.test('a thread that loops for ever is ended within the timeout, with exit code 0', async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  await holds('loop')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /still run are ended/)
})

t.test('a call that does not end holds the process no longer than the timeout', async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  await held
})

for (const [when, environment] of [
  ['at the timeout', { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' }],
  ['before it', { THREADPLANE_SHUTDOWN_TIMEOUT: '20s' }],
] as const) {
  t.test(`a thread that is blocked in native code is ended ${when}, with exit code 0`, async (t) => {
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

t.test('without a supervisor process, only SIGKILL to itself ends such a thread, and a second signal', async (t) => {
  const environment = { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' }
  const blocked = await serve(t, environment, '--no-supervise')
  const { pid } = await blocked.server.listens()
  t.equal(pid, blocked.server.child.pid, 'it is one process')
  await blocked.holds('sleep')
  blocked.server.child.kill('SIGTERM')
  t.same(await blocked.server.ended(), { code: null, signal: 'SIGKILL' })

  const { server, holds } = await serve(t, { THREADPLANE_SUPERVISE: 'false' })
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  server.child.kill('SIGINT')
  t.same(await server.ended(), { code: null, signal: 'SIGKILL' })
  await held
})

t.test('a second signal ends the process now', async (t) => {
  const { server, holds } = await serve(t)
  const held = holds('hold').catch((error: Error) => error)
  await server.prints(/held/)
  server.child.kill('SIGTERM')
  await server.prints(/SIGTERM: closing/)
  server.child.kill('SIGINT')
  t.same(await server.ended(), { code: 137, signal: null })
  t.notMatch(server.output, /died|restarting/, 'it is no crash')
  await held
})

t.test('a signal while services still start ends the process in good order', async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { loops: 'loops-at-import' })
  await server.prints(/listening/)
  t.match(await server.request('GET', '/startupz'), { status: 503 })
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /closing[^]*closed/)
  t.notMatch(server.output, /services:|did not start/, 'nothing is said of a start that was given up')
})
