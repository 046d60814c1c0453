/** A server that dies again and again: restarts have a budget, and a wait for one can be ended. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serve } from '../process-helper.ts'

// They wait for clocks most of the time.
t.jobs = 2

/** A server that cannot start again. */
const crashLoop = async (t: Test) => {
  const { server } = await serve(t)
  const { pid } = await server.listens()
  writeFileSync(join(server.folder, 'data', 'services.json'), '{')
  process.kill(pid, 'SIGKILL')
  return server
}

t.test('a server that does not come up again is given up after five restarts', { buffered: true }, async (t) => {
  const server = await crashLoop(t)
  t.same(await server.ended(), { code: 1, signal: null })
  const given = await server.logs(/given up/)
  t.match(given, { level: 60, msg: /^given up: more than 5 restarts of the server within 1m; / })
  const { msg } = await server.logs(/the server died/, 6)
  t.match(msg, /with exit code 1 after .*: threadplane: .*services\.json cannot be read/)
  await t.rejects(server.logs(/the server died/, 7))
})

t.test('a signal between two starts ends the wait', { buffered: true }, async (t) => {
  const server = await crashLoop(t)
  await server.logs(/restarting/, 4)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  t.notMatch(server.output, /given up/)
})
