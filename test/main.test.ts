/** The command line: its usage, its errors, and the log of a server that starts and stops. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { within } from './http-helper.ts'
import { Process, run, workersFolder } from './process-helper.ts'

// The tests wait for the starts of processes.
t.jobs = 2

t.test('a wrong setting ends the process with a message that names it and its value', { buffered: true }, async (t) => {
  const cases = [
    [{ THREADPLANE_PORT: 'http' }, /^threadplane: THREADPLANE_PORT is "http": it must be a port from 0 to 65535\n$/],
    [{ THREADPLANE_HOST: '0.0.0.0' }, /THREADPLANE_HOST is 0\.0\.0\.0: .*THREADPLANE_INSECURE=true/],
    [{ THREADPLANE_PROT: '1' }, /THREADPLANE_PROT is not a setting; the settings are: /],
    [{ THREADPLANE_WORKERS: '/nowhere' }, /the workers folder \/nowhere cannot be read\n {2}because: ENOENT/],
    [
      { THREADPLANE_WORKERS: t.testdir({ 'threadplane.json': '{"services":{"a":{"envs":[]}}}' }) },
      /^threadplane: \S*threadplane\.json cannot be used: services\.a\.envs: expected only the keys module, .*\n$/,
    ],
    [{ THREADPLANE_DATA: '/dev/null' }, /the data folder \/dev\/null cannot be used\n {2}because: /],
  ] as const
  const ends = cases.map(async ([environment, message]) => {
    const server = run(t, ['serve'], environment)
    t.same(await server.ended(), { code: 1, signal: null })
    t.match(server.output, message)
    t.notMatch(server.output, /\n {4}at /, 'no stack')
  })
  await Promise.all(ends)
})

t.test('no command prints the usage, as --help does; an unknown one is named', { buffered: true }, async (t) => {
  const cases = [
    [[], 2, /threadplane serve \[folder\]/],
    [['nonsense'], 2, /unknown command 'nonsense'/],
    [['serve', 'a', 'b'], 2, /threadplane serve \[folder\]/],
    [['--help'], 0, /threadplane serve \[folder\]/],
    [['serve', '--nonsense'], 1, /threadplane: .*--nonsense/],
  ] as const
  const ends = cases.map(async ([args, code, output]) => {
    const command = run(t, [...args])
    t.equal((await command.ended()).code, code, args.join(' '))
    t.match(command.output, output)
  })
  await Promise.all(ends)
})

t.test('a port in use ends the process with a message', { buffered: true }, async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const server = run(t, ['serve', 'workers'], { THREADPLANE_PORT: String(port) })
  t.same(await server.ended(), { code: 1, signal: null })
  t.match(
    server.output,
    /threadplane: port \d+ of 127\.0\.0\.1 is in use: set THREADPLANE_PORT .*\n {2}because: .*EADDRINUSE.*\n$/,
  )
  t.equal(server.output.match(/EADDRINUSE/g)?.length, 1, 'the message is printed once')
})

t.test('--version prints the version alone', { buffered: true }, async (t) => {
  const command = run(t, ['--version'])
  t.equal((await command.ended()).code, 0)
  t.match(command.output, /^\d+\.\d+\.\d+\n$/)
})

t.test('with too few open files the process ends with a message', { buffered: true }, async (t) => {
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url))
  const command = `ulimit -n 24 && exec "${process.execPath}" "${main}" serve`
  const env = { PATH: process.env.PATH, THREADPLANE_PORT: '0', THREADPLANE_DATA: t.testdir() }
  const child = spawn('sh', ['-c', command], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  t.same(await within(once(child, 'close'), 'the end of the process'), [1, null])
  t.match(output, /^threadplane: .*(too many files are open|EMFILE): raise the limit of open files \(ulimit -n\).*\n$/)
})

t.test('a damaged data folder ends the process with a message', { buffered: true }, async (t) => {
  const folder = workersFolder({})
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data', 'services.json'), '{')
  const server = new Process(t, folder, ['serve', 'workers'], {})
  t.same(await server.ended(), { code: 1, signal: null })
  t.match(server.output, /^threadplane: .*services\.json cannot be read: repair it, or move it away.*\n {2}because: /)
})

t.test(
  'a folder outside of any package is served: its modules get threadplane and zod; port 0 is a free port',
  { buffered: true },
  async (t) => {
    const server = new Process(t, workersFolder({ echo: 'echo' }, tmpdir()), ['serve', 'workers'], {})
    await server.prints(/services: echo running/)
    const answer = await server.request('POST', '/v1/services/echo/call/any', { json: [1] })
    t.match(answer, { status: 200, json: [1] })
    server.child.kill('SIGINT')
    t.same(await server.ended(), { code: 0, signal: null })
    t.match(server.output, /SIGINT: closing[^]*closed/)
  },
)

t.test('all that a service writes while it stops is in the log', { buffered: true }, async (t) => {
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

t.test('the log suggests requests to a service that runs', { buffered: true }, async (t) => {
  const server = run(t, ['serve', 'workers'], {}, { broken: 'throws-at-import', echo: 'echo' })
  await server.prints(/try: http:\/\/127\.0\.0\.1:\d+ in a browser/)
  t.match(server.output, /try: curl http:\/\/127\.0\.0\.1:\d+\/v1\/services\/echo\/methods/)
  server.child.kill('SIGTERM')
  await server.ended()
})
