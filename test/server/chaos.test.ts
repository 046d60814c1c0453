/** Crashing on purpose, over HTTP: what comes of each kind, and that an operator can forbid it. */
import t, { type Test } from 'tap'
import { isProblem, within } from '../http-helper.ts'
import { type Process, run } from '../process-helper.ts'

/** A call waits for a thread that starts, and not for a process that does. */
const runsAgain = async (t: Test, server: Process) => {
  const called = async () => {
    for (;;) {
      const answer = await server.request('POST', '/v1/services/echo/call/any', { json: 1 }).catch(() => undefined)
      if (answer?.status === 200) return answer.json
    }
  }
  t.equal(await within(called(), 'echo to run again'), 1)
}

const act = (server: Process, body: object) =>
  server.request('POST', '/v1/services/echo/crash', { json: body }).catch((error: Error) => error)

t.test('a service that was crashed on purpose is running again, whatever the kind', async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { echo: 'echo' })
  await server.prints(/services: echo running/)
  const limits = { maxOldGenerationSizeMb: 32 }
  const options = { module: 'echo.js', limits, shutdownTimeoutMs: 50, restart: { backoffMs: 1, backoffMaxMs: 1 } }
  t.match(await server.request('PUT', '/v1/services/echo', { json: options }), { status: 200 })

  for (const [kind, reason] of [
    ['exception', /on purpose/],
    ['exit', /exited with code 1/],
  ] as const) {
    t.match(await act(server, { kind, reason: 'on purpose' }), { status: 200, json: { changed: true } })
    const crashes = kind === 'exception' ? 1 : 2
    t.match((await server.logs(/echo crashed/, crashes)).err, { message: reason }, kind)
    await runsAgain(t, server)
  }

  t.match(await act(server, { kind: 'hang' }), { status: 200, json: { state: 'running', changed: true } })
  const soon = { headers: { 'request-timeout': '100ms' }, json: 1 }
  isProblem(t, await server.request('POST', '/v1/services/echo/call/any', soon), 'DEADLINE_EXCEEDED', {
    started: false,
  })
  t.match(await act(server, { kind: 'exit', reason: 'on purpose' }), { status: 200, json: { changed: true } })
  const message = 'on purpose; it did not end by itself, and was terminated'
  t.match((await server.logs(/echo crashed/, 3)).err, { message }, 'also of a thread that does not listen')
  await runsAgain(t, server)

  // The thread alone, or its process, which is brought back: that is V8's choice.
  await act(server, { kind: 'oom' })
  await server.logs(/echo crashed|the server died/, 4)
  await runsAgain(t, server)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
})

t.test('THREADPLANE_CHAOS=false forbids it, and says so', async (t) => {
  const server = run(t, ['serve', 'workers'], { THREADPLANE_CHAOS: 'false' }, { echo: 'echo' })
  await server.prints(/services: echo running/)
  isProblem(t, await server.request('POST', '/v1/services/echo/crash', { json: { kind: 'exit' } }), 'FORBIDDEN', {
    service: 'echo',
    detail: /THREADPLANE_CHAOS is false/,
  })
  isProblem(t, await server.request('POST', '/v1/services/none/crash'), 'SERVICE_NOT_FOUND')
  t.match(await server.request('GET', '/v1/services/echo'), { json: { state: 'running', restartCount: 0 } })
})
