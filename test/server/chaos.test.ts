/** `POST …/crash`: each kind of crash on purpose, and the setting that forbids it. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isProblem, within } from '../http-helper.ts'
import { type Process, run } from '../process-helper.ts'

t.jobs = 2

/** Calls until a call succeeds: a call waits for a thread that starts, but not for a server process that starts. */
const runsAgain = async (t: Test, server: Process) => {
  const called = async () => {
    for (;;) {
      const answer = await server.request('POST', '/v1/services/echo/call/any', { json: 1 }).catch(() => undefined)
      if (answer?.status === 200) return answer.json
      await sleep(20)
    }
  }
  t.equal(await within(called(), 'echo to run again'), 1)
}

const crash = (server: Process, body: object) =>
  server.request('POST', '/v1/services/echo/crash', { json: body }).catch((error: Error) => error)

t.test('a service runs again after every kind of crash', { buffered: true }, async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { echo: 'echo' })
  await server.prints(/services: echo running/)
  const limits = { maxOldGenerationSizeMb: 32 }
  const options = { module: 'echo.js', limits, shutdownTimeoutMs: 50, restart: { backoffMs: 1, backoffMaxMs: 1 } }
  t.match(await server.request('PUT', '/v1/services/echo', { json: options }), { status: 200 })

  for (const [kind, reason] of [
    ['exception', /on purpose/],
    ['exit', /exited with code 1/],
  ] as const) {
    t.match(await crash(server, { kind, reason: 'on purpose' }), { status: 200, json: { changed: true } })
    const crashes = kind === 'exception' ? 1 : 2
    t.match((await server.logs(/echo crashed/, crashes)).err, { message: reason }, kind)
    await runsAgain(t, server)
  }

  t.match(await crash(server, { kind: 'hang' }), { status: 200, json: { state: 'running', changed: true } })
  const soon = { headers: { 'request-timeout': '100ms' }, json: 1 }
  isProblem(t, await server.request('POST', '/v1/services/echo/call/any', soon), 'DEADLINE_EXCEEDED', {
    started: false,
  })
  t.match(await crash(server, { kind: 'exit', reason: 'on purpose' }), { status: 200, json: { changed: true } })
  const message = 'on purpose; it did not end by itself, and was terminated'
  t.match((await server.logs(/echo crashed/, 3)).err, { message }, 'a thread that hangs can be crashed, too')
  await runsAgain(t, server)

  // V8 ends either the thread or the whole process, which the launcher starts again.
  await crash(server, { kind: 'oom' })
  await server.logs(/echo crashed|the server died/, 4)
  await runsAgain(t, server)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
})

t.test('THREADPLANE_CHAOS=false forbids crashes on purpose', { buffered: true }, async (t) => {
  const server = run(t, ['serve', 'workers'], { THREADPLANE_CHAOS: 'false' }, { echo: 'echo' })
  await server.prints(/services: echo running/)
  isProblem(t, await server.request('POST', '/v1/services/echo/crash', { json: { kind: 'exit' } }), 'FORBIDDEN', {
    service: 'echo',
    detail: /THREADPLANE_CHAOS is false/,
  })
  isProblem(t, await server.request('POST', '/v1/services/none/crash'), 'SERVICE_NOT_FOUND')
  t.match(await server.request('GET', '/v1/services/echo'), { json: { state: 'running', restartCount: 0 } })
})
