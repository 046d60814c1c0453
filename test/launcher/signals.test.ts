/** The launcher gets the signals and passes them on to the server: how both end, and with which exit code. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { childrenOf } from '../../bench/plane.ts'
import { launcherTimings, Process, serve, workersFolder } from '../process-helper.ts'

// The tests wait for timeouts and for the starts of processes.
t.jobs = 3

t.test('a process that a thread waits for in native code ends with the server', { buffered: true }, async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  await holds('sleep')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGTERM: closing[^]*still run are ended/)
  t.notMatch(server.output, /died|restarting/)
})

t.test('a server that does not react to the signal is killed after the timeout', { buffered: true }, async (t) => {
  const timings = launcherTimings({ overtimeMs: 200 })
  const { server } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '300ms', ...timings })
  const { pid } = await server.listens()
  process.kill(pid, 'SIGSTOP')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 137, signal: null })
  t.match(await server.logs(/the server is killed/), { level: 50, msg: /\(300 ms\) and 200 ms more/ })
})

t.test('a signal to the server process closes both processes', { buffered: true }, async (t) => {
  const { server } = await serve(t)
  const { pid } = await server.listens()
  process.kill(pid, 'SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGTERM: closing[^]*closed/)
})

t.test('SIGHUP closes the server when its terminal goes away', { buffered: true }, async (t) => {
  const server = new Process(t, workersFolder({ holds: 'holds-the-process' }), ['serve', 'workers'], {}, true)
  await server.prints(/services: .*holds running/)
  const [launcher] = childrenOf(server.child.pid as number)
  process.kill(launcher as number, 'SIGHUP')
  t.match(await server.ended(), { code: 0 })
  t.match(server.output, /SIGHUP: closing[^]*closed/)
})

for (const supervised of [true, false]) {
  const how = supervised ? 'launcher' : 'server without a launcher'
  t.test(`a ${how} without a terminal ignores SIGHUP, and SIGUSR1 opens no debugger`, { buffered: true }, async (t) => {
    const { server } = await serve(t, { THREADPLANE_SUPERVISE: String(supervised) })
    const { pid, port } = await server.listens()
    for (const one of new Set([server.child.pid as number, pid])) process.kill(one, 'SIGUSR1')
    server.child.kill('SIGHUP')
    t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
    server.child.kill('SIGTERM')
    t.same(await server.ended(), { code: 0, signal: null })
    t.match(server.output, /SIGTERM: closing/)
    t.notMatch(server.output, /SIGHUP|[Dd]ebugger/)
  })
}

t.test('the Ctrl-C that npm passes on does not count as a second signal', { buffered: true }, async (t) => {
  // With a long time for the echo, a slow machine cannot make the second SIGINT count.
  const timings = launcherTimings({ echoWithinMs: 60_000 })
  const { server, holds } = await serve(t, { npm_lifecycle_event: 'start', ...timings })
  const held = holds('hold')
  await server.prints(/held/)
  server.child.kill('SIGINT')
  await server.prints(/SIGINT: closing/)
  server.child.kill('SIGINT')
  writeFileSync(join(server.folder, 'let-go'), '')
  t.match(await held, { status: 200, json: 'held to the end' })
  t.same(await server.ended(), { code: 0, signal: null })
})
