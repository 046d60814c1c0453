/** The launcher gets the signals and passes them on to the server: how both end, and with which exit code. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { launcherTimings, serve } from '../process-helper.ts'

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

t.test('SIGHUP, when a terminal goes away, closes the server', { buffered: true }, async (t) => {
  const { server } = await serve(t)
  server.child.kill('SIGHUP')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGHUP: closing[^]*closed/)
})

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
