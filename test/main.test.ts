/** The command line: wrong settings, and listening. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Process, run } from './process-helper.ts'

t.test('a wrong setting ends the process with a message that names it, what it is and what it takes', async (t) => {
  for (const [environment, message] of [
    [{ THREADPLANE_PORT: 'http' }, /^threadplane: THREADPLANE_PORT is "http": it must be a port from 0 to 65535\n$/],
    [{ THREADPLANE_HOST: '0.0.0.0' }, /THREADPLANE_HOST is 0\.0\.0\.0: .*THREADPLANE_INSECURE=true/],
    [{ THREADPLANE_PROT: '1' }, /THREADPLANE_PROT is not a setting; the settings are: /],
    [{ THREADPLANE_WORKERS: '/nowhere' }, /the workers folder \/nowhere cannot be read\n {2}because: ENOENT/],
    [{ THREADPLANE_DATA: '/dev/null' }, /the data folder \/dev\/null cannot be used\n {2}because: /],
  ] as const) {
    const server = run(t, ['serve'], environment)
    t.same(await server.ended(), { code: 1, signal: null })
    t.match(server.output, message)
    t.notMatch(server.output, /\n {4}at /, 'no stack')
  }
})

t.test('a command that does not exist is answered with the usage', async (t) => {
  for (const [args, code] of [
    [[], 2],
    [['nonsense'], 2],
    [['serve', 'a', 'b'], 2],
    [['--help'], 0],
    [['serve', '--nonsense'], 1],
  ] as const) {
    const command = run(t, [...args])
    t.equal((await command.ended()).code, code, args.join(' '))
    t.match(command.output, /threadplane/)
  }
})

t.test('a port that is taken, or a damaged data folder, ends the process with a message', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const server = run(t, ['serve', 'workers'], { THREADPLANE_PORT: String(port) })
  t.same(await server.ended(), { code: 1, signal: null })
  t.match(server.output, /threadplane: listen EADDRINUSE.*\n$/)
  t.equal(server.output.match(/EADDRINUSE/g)?.length, 1, 'it is said once')

  const damaged = run(t, ['--help'])
  await damaged.ended()
  mkdirSync(join(damaged.folder, 'data'))
  writeFileSync(join(damaged.folder, 'data', 'services.json'), '{')
  const again = new Process(t, damaged.folder, ['serve', 'workers'], {})
  t.same(await again.ended(), { code: 1, signal: null })
  t.match(again.output, /^threadplane: .*services\.json cannot be read: repair it, or move it away.*\n {2}because: /)
})

t.test(
  'port 0 takes a free one, which the log says; a folder beside no node_modules is served, and gets what it imports',
  async (t) => {
    const server = run(t, ['serve', 'workers'], {}, { echo: 'echo' }, tmpdir())
    await server.prints(/services: echo running/)
    const answer = await server.request('POST', '/v1/services/echo/call/any', { json: [1] })
    t.match(answer, { status: 200, json: [1] })
    server.child.kill('SIGINT')
    t.same(await server.ended(), { code: 0, signal: null })
    t.match(server.output, /SIGINT: closing[^]*closed/)
  },
)

t.test('what a service writes as it stops is in the log, however much that is', async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { last: 'last-lines' })
  await server.prints(/services: last running/)
  server.child.kill('SIGTERM')
  t.same(await server.ended(), { code: 0, signal: null })
  const lines = server.output.match(/"line \d+"/g)
  t.same(
    lines,
    Array.from({ length: 100 }, (_, at) => `"line ${at + 1}"`),
  )
})
