/** Signals come to the process above the server, which passes them on: what ends, and with which exit code. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { serve } from '../process-helper.ts'

t.test('what a thread waits for in native code ends with the server, within the timeout and with code 0', async (t) => {
  const { server, holds } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  await holds('sleep')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGTERM: closing[^]*still run are ended/)
  t.notMatch(server.output, /died|restarting/)
})

t.test('a server that does not react is killed after the timeout', async (t) => {
  const { server } = await serve(t, { THREADPLANE_SHUTDOWN_TIMEOUT: '500ms' })
  const { pid } = await server.listens()
  process.kill(pid, 'SIGSTOP')
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 137, signal: null })
  t.match(await server.logs(/the server is killed/), { level: 50 })
})

t.test('who closes the server itself closes the plane', async (t) => {
  const { server } = await serve(t)
  const { pid } = await server.listens()
  process.kill(pid, 'SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGTERM: closing[^]*closed/)
})

t.test('a terminal that goes away closes it too', async (t) => {
  const { server } = await serve(t)
  server.child.kill('SIGHUP')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /SIGHUP: closing[^]*closed/)
})

t.test('Ctrl-C that npm passes on is no second signal', async (t) => {
  const { server, holds } = await serve(t, { npm_lifecycle_event: 'start' })
  const held = holds('hold')
  await server.prints(/held/)
  server.child.kill('SIGINT')
  server.child.kill('SIGINT')
  await server.prints(/SIGINT: closing/)
  writeFileSync(join(server.folder, 'let-go'), '')
  t.match(await held, { status: 200, json: 'held to the end' })
  t.same(await server.ended(), { code: 0, signal: null })
})
