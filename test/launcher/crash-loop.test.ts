/** A server that dies again and again: the launcher restarts it within a budget, and a signal ends the wait between two. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { launcherTimings, type Process, serve } from '../process-helper.ts'

const RESTARTS = { maxRestarts: 5, periodMs: 60_000, backoffMs: 1, backoffMaxMs: 1 }

t.jobs = 2

/** A server that was killed and cannot start again. */
const crashLoop = async (t: Test, restarts = RESTARTS): Promise<Process> => {
  const { server } = await serve(t, launcherTimings({ restarts }))
  const { pid } = await server.listens()
  writeFileSync(join(server.folder, 'data', 'services.json'), '{')
  process.kill(pid, 'SIGKILL')
  return server
}

t.test('a server that does not start again is given up after five restarts', { buffered: true }, async (t) => {
  const server = await crashLoop(t)
  t.same(await server.ended(), { code: 1, signal: null })
  const given = await server.logs(/given up/)
  t.match(given, { level: 60, msg: /^given up: more than 5 restarts of the server within 1m; / })
  const { msg } = await server.logs(/the server died/, 6)
  t.match(msg, /with exit code 1 after .*: threadplane: .*services\.json cannot be read/)
  await t.rejects(server.logs(/the server died/, 7))
})

t.test('a signal while the launcher waits for a restart ends it, with exit code 0', { buffered: true }, async (t) => {
  // The wait is longer than the test, so the signal cannot come too late.
  const server = await crashLoop(t, { ...RESTARTS, backoffMs: 3_600_000, backoffMaxMs: 3_600_000 })
  await server.logs(/restarting/)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.match(server.output, /the server is closed/)
  t.notMatch(server.output, /given up/)
})
