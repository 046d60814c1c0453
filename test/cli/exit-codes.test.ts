/** What goes wrong has an exit code and a message; and what is on standard output is the result alone. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { EXIT, EXIT_OF_CODE } from '../../src/cli/exit-codes.ts'
import { ERRORS } from '../../src/contract/errors.ts'
import { freePort } from '../free-port.ts'
import { cli, envOf, servePrimes } from './cli-rig.ts'

const server = await servePrimes(t, {
  fails: 'fails',
  refuses: 'refuses',
  gate: 'gate',
  streams: 'streams',
  stopped: 'light',
  echo: 'echo',
  bytes: 'bytes',
})
await server.post('/v1/services/stopped/stop')
const env = envOf(server)
const threadplane = (...argv: string[]) => cli(argv, { env })

t.test('each code of an error has an exit code', async (t) => {
  t.strictSame(Object.keys(EXIT_OF_CODE).sort(), Object.keys(ERRORS).sort())
})

t.test('errors have exit codes, and say what is wrong', async (t) => {
  const nobody = `http://127.0.0.1:${await freePort()}`
  const cases: [command: string, code: number, stderr: RegExp][] = [
    ['call fails throws', EXIT.failed, /no such luck.*\(METHOD_FAILED\)/],
    ['cast fails notRetryable --wait', EXIT.failed, /the job \S+ is failed: .*never again/],
    ['call', EXIT.usage, /missing required argument 'service'/],
    ['pss', EXIT.usage, /unknown command 'pss'\n\(Did you mean ps\?\)/],
    ['ps --nonsense', EXIT.usage, /unknown option '--nonsense'/],
    ['ps -o yaml', EXIT.usage, /-o is "yaml": it must be one of table, wide, json, ndjson, name/],
    ['ps --timeout soon', EXIT.usage, /--timeout is "soon": it must be a duration/],
    ['-u nonsense ps', EXIT.usage, /"nonsense" is no URL of a server/],
    ['--context nowhere ps', EXIT.usage, /there is no context "nowhere"; there are: none/],
    ['rm echo', EXIT.usage, /this would stop and delete the service echo: add -y if you are sure/],
    ['top', EXIT.usage, /top needs a terminal/],
    ['call stopped add', EXIT.notRunning, /stopped is stopped \(SERVICE_NOT_RUNNING\)/],
    [
      'call primes cuont',
      EXIT.notFound,
      /^error: primes has no method cuont \(METHOD_NOT_FOUND\); did you mean count\?\n/,
    ],
    [
      'status prmies',
      EXIT.notFound,
      /^error: there is no service prmies \(SERVICE_NOT_FOUND\); did you mean primes\?\n/,
    ],
    ['job nonsense', EXIT.notFound, /JOB_NOT_FOUND/],
    ['call primes count below=text', EXIT.refused, /\(VALIDATION_FAILED\)\n {2}\/below: .*number/],
    [`call primes count {`, EXIT.usage, /the payload is no JSON/],
    [`-u ${nobody} -q ps --timeout 2s`, EXIT.unreachable, /no connection.*UNREACHABLE/],
    ['call gate hold token=never --timeout 200ms', EXIT.timedOut, /DEADLINE_EXCEEDED|TIMED_OUT/],
    ['resume stopped', EXIT.conflict, /CONFLICT/],
  ]
  for (const [command, expected, message] of cases) {
    const { code, stdout, stderr } = await threadplane(...command.split(' '))
    t.equal(code, expected, `${command}: ${stderr}`)
    t.match(stderr, message, command)
    t.equal(stdout, '', `${command}: nothing is on standard output`)
  }
})

t.test('a server that answers 401, 403, 429 or 503 is told from one that does not', async (t) => {
  const other = createServer((request, response) => {
    const status = Number(/\d+/.exec(request.url?.split('/').at(-1) ?? '')?.[0])
    response.writeHead(status, { 'content-type': 'application/problem+json' })
    const [code] = Object.entries(ERRORS).find(([, error]) => error.status === status) ?? []
    response.end(JSON.stringify({ code, status, detail: 'as it was asked' }))
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const codes = { 401: EXIT.forbidden, 403: EXIT.forbidden, 429: EXIT.tryLater, 500: EXIT.failed, 409: EXIT.conflict }
  for (const [status, expected] of Object.entries(codes)) {
    const { code } = await cli(['-u', `http://127.0.0.1:${port}`, 'status', status])
    t.equal(code, expected, status)
  }
})

t.test('-o json is the answer of the server, to the byte', async (t) => {
  const paths: Record<string, string> = {
    'jobs fails': '/v1/jobs?service=fails&limit=20',
    'methods primes': '/v1/services/primes/methods',
    failures: '/v1/failures',
  }
  for (const [command, path] of Object.entries(paths)) {
    const { code, stdout } = await threadplane(...command.split(' '), '-o', 'json')
    t.equal(code, 0)
    t.equal(stdout, `${(await server.get(path)).text}\n`, command)
  }
})

t.test('a call prints what the method returns', async (t) => {
  t.equal((await threadplane('call', 'echo', 'any', 'a=1', 'b:=[2]')).stdout, '{"a":"1","b":[2]}\n')
  t.equal((await cli(['call', 'echo', 'any', '-'], { env, stdin: '"from stdin"' })).stdout, '"from stdin"\n')
  t.equal((await threadplane('call', 'streams', 'count', 'to:=2')).stdout, '{"n":1}\n{"n":2}\n')
  const broken = await threadplane('call', 'streams', 'count', 'to:=1', 'last=throw')
  t.match(broken, { code: EXIT.failed, stderr: /no more/ })
  t.match(broken.stdout, /^\{"n":1\}\n/)
})

t.test('bytes come from a file and go to a file', async (t) => {
  const folder = t.testdir({ 'a.png': 'abc' })
  const type = ['--content-type', 'image/png']
  const saved = await threadplane(
    'call',
    'bytes',
    'invert',
    `@${folder}/a.png`,
    ...type,
    '--output-file',
    `${folder}/b`,
  )
  t.match(saved, { code: 0, stdout: '' })
  t.strictSame(await readFile(`${folder}/b`), Buffer.from([0x9e, 0x9d, 0x9c]))
  t.match(await threadplane('call', 'bytes', 'invert', '{}'), { code: EXIT.refused, stderr: /UNSUPPORTED_MEDIA_TYPE/ })
})

t.test('-q prints names and ids, also of a cast; cast --wait prints the result', async (t) => {
  t.equal((await threadplane('ps', '-q')).stdout, 'bytes\necho\nfails\ngate\nprimes\nrefuses\nstopped\nstreams\n')
  const { stdout: id } = await threadplane('cast', 'primes', 'count', 'below:=100', '-q')
  t.match(await threadplane('wait', id.trim()), { code: 0, stdout: '{"count":25,"below":100}\n' })
  t.equal((await threadplane('cast', 'primes', 'count', 'below:=10', '--wait')).stdout, '{"count":4,"below":10}\n')
})

t.test('Ctrl-C during wait ends the wait and not the job', async (t) => {
  const interrupt = new AbortController()
  const { id } = (await server.cast('gate', 'hold', { token: 'held' })).json
  const ended = cli(['wait', id], { env, interrupted: interrupt.signal })
  await server.running('gate', 1)
  interrupt.abort()
  t.match(await ended, {
    code: EXIT.interrupted,
    stdout: '',
    stderr: `no longer waiting; it goes on: threadplane job ${id}\n`,
  })
  await server.call('gate', 'release', { token: 'held' })
  t.match(await server.finished(id), { state: 'succeeded', result: 'held' })
})

t.test('--trace shows the requests, without the token', async (t) => {
  const { stderr } = await threadplane('methods', 'primes', '--trace', '-t', 'tp_secret')
  t.match(stderr, /^GET \/v1\/services\/primes\/methods 200 \d+ ms\n$/)
})

t.test('a shell completes verbs, flags, formats, services and methods', async (t) => {
  const completed = async (...words: string[]) => (await threadplane('complete', '--', ...words)).stdout.split('\n')
  t.ok((await completed('re')).includes('restart'))
  t.strictSame(await completed('context', ''), ['list', 'set', 'use', 'rm', ''])
  t.ok((await completed('stop', '--no')).includes('--no-drain'))
  t.strictSame(await completed('ps', '-o', 'n'), ['ndjson', 'name', ''])
  t.strictSame(await completed('call', 'pri'), ['primes', ''])
  t.strictSame(await completed('--json', 'call', 'primes', 'c'), ['count', ''])
  const nobody = `http://127.0.0.1:${await freePort()}`
  t.equal((await threadplane('complete', '--', '-u', nobody, 'call', '')).stdout, '', 'without a server: nothing')
})

t.test('a context is used, kept for its owner alone, and its token goes to its URL only', async (t) => {
  const { THREADPLANE_URL = '', ...without } = env
  const context = (...argv: string[]) => cli(argv, { env: without })
  t.match(await context('context', 'set', 'here', '-u', THREADPLANE_URL, '-t', 'tp_x'), { code: 0 })
  t.match(await context('context', 'set', 'away', '-u', 'http://127.0.0.1:1'), { code: 0 })
  t.match(await context('context', 'use', 'here'), { code: 0 })
  t.match(await context('context', 'list', '-o', 'ndjson'), {
    stdout: `{"name":"here","url":"${THREADPLANE_URL}","isCurrent":true,"hasToken":true}\n`,
  })
  t.match(await context('ps', '-q'), { code: 0, stdout: /primes/ })
  t.match(await context('--context', 'away', 'ps', '--timeout', '2s', '-q'), { code: EXIT.unreachable })
  t.match(await context('context', 'rm', 'here', '-y'), { code: 0 })
  t.match(await context('context', 'use', 'here'), { code: EXIT.notFound })
})
