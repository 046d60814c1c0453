/** `threadplane dev`: a real process, whose modules are edited while clients call them. */
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { request, within } from '../http-helper.ts'
import { Process } from '../process-helper.ts'
import { eventually } from '../sqlite/jobs.ts'

const CALL_EVERY_MS = 10

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The method `hold` connects to it, and returns when its connection is closed. */
const gate = createServer().listen(0, '127.0.0.1')
await once(gate, 'listening')
t.teardown(() => gate.close())
const gates = (gate.address() as AddressInfo).port

const folder = mkdtempSync(fileURLToPath(new URL('../dev-', import.meta.url)))
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** A module whose method `version` answers what `lib/<name>` says. */
const moduleOf = (
  name: string,
  input = 'z.object({})',
  more = '',
) => `import { connect } from 'node:net'; import { defineService, method } from 'threadplane/service'
import { z } from 'zod'
import { version } from '../lib/${name}.js'

export default defineService({
  methods: {
    version: method({ input: ${input}, handler: () => version }),
    hold: method({
      handler: async () => {
        const socket = connect(${gates})
        await new Promise((resolve) => socket.once('close', resolve))
        return version
      },
    }),
    ${more}
  },
})
`
write('package.json', '{ "type": "module" }')
write('lib/part.js', `export const version = 'one'\n`)
write('lib/first.js', `export { version } from './part.js'\n`)
write('lib/second.js', `export const version = 'two'\n`)
write('services/first.js', moduleOf('first'))
write('services/second.js', moduleOf('second'))
write('services/broken.js', 'export default defineService(\n')

const port = await freePort()
const dev = new Process(t, folder, ['dev'], { THREADPLANE_PORT: String(port) })
await dev.prints(/services is watched/)
let read = 0
/** The first output that matches, behind that of the call before. */
const prints = async (pattern: RegExp) => {
  const from = read
  const match = await dev.prints(new RegExp(`(?<=^[^]{${from},})${pattern.source}`, pattern.flags))
  read = match.index + match[0].length
  return match
}
const call = (service: string, method = 'version', json: unknown = {}) =>
  request(port, 'POST', `/v1/services/${service}/call/${method}`, { json })

/** A call that has begun, and ends when it is released. */
async function hold(service: string) {
  const held = call(service, 'hold')
  const [socket] = (await once(gate, 'connection')) as [Socket]
  return { held, release: () => socket.end() }
}

t.test('a module that does not load is shown where it is wrong, once; and it runs when it is repaired', async (t) => {
  t.match(
    dev.output,
    /broken does not start\n +services\/broken\.js:2:1\n +1 \| export default defineService\(\n +> 2 \|/,
  )
  write('services/broken.js', moduleOf('second'))
  await prints(/↻ broken \(services\/broken\.js\) reloaded/)
  t.match(await call('broken'), { status: 200, json: 'two' })
})

t.test('a change reloads the services that import the file, through any depth, and no others', async (t) => {
  write('lib/part.js', `export const version = 'three'\n`)
  await prints(/↻ first \(lib\/part\.js\) reloaded in \d+ ms\n/)
  t.match(await call('first'), { status: 200, json: 'three' })
  t.notMatch(dev.output, /↻ second/)
})

t.test('a touch without a change reloads nothing; a file that another replaces counts', async (t) => {
  const now = new Date()
  utimesSync(join(folder, 'lib/part.js'), now, now)
  write('lib/second.js.new', `export const version = 'four'\n`)
  renameSync(join(folder, 'lib/second.js.new'), join(folder, 'lib/second.js'))
  await prints(/↻ second \(lib\/second\.js\) reloaded/)
  t.match(await call('second'), { status: 200, json: 'four' })
  t.equal(dev.output.match(/↻ first/g)?.length, 1)
})

t.test('what has changed for clients is printed', async () => {
  write('services/first.js', moduleOf('first', 'z.object({ name: z.string() })', 'more: method({ handler: () => 1 }),'))
  await prints(
    /↻ first \(services\/first\.js\) reloaded in \d+ ms\n {11}! version: input \+ name: string \(clients may break\) {3}\+ more\n/,
  )
  write('services/first.js', moduleOf('first'))
  await prints(/↻ first .*\n {11}version: input − name {3}! − more \(clients may break\)\n/)
})

t.test('no call is lost over five edits, and calls that the old code has begun finish there', async (t) => {
  const answers: { status: number; json: unknown }[] = []
  const seen = new EventEmitter()
  let stopped = false
  const client = async () => {
    while (!stopped) {
      answers.push(await call('first'))
      seen.emit('answer')
      // Threads run at a low priority: clients that never pause would leave the new one no processor.
      await sleep(CALL_EVERY_MS)
    }
  }
  const clients = Promise.all([client(), client(), client()])
  const answered = (json: string) => {
    const found = new Promise<void>((resolve) => seen.on('answer', () => answers.at(-1)?.json === json && resolve()))
    return within(found, `the answer ${json}`)
  }
  let version = 'three'
  for (let edit = 1; edit <= 5; edit += 1) {
    const { held, release } = await hold('first')
    write('lib/part.js', `export const version = 'edit ${edit}'\n`)
    await answered(`edit ${edit}`)
    release()
    t.match(await held, { status: 200, json: version })
    version = `edit ${edit}`
    await prints(/↻ first \(lib\/part\.js\) reloaded in \d+ ms · \d+ calls? (finished|still running) on the old code\n/)
  }
  stopped = true
  await clients
  t.strictSame(
    answers.filter(({ status }) => status !== 200),
    [],
  )
})

const MISTAKES: [title: string, file: string, text: string, frame: RegExp][] = [
  [
    'a syntax error in an imported file',
    'lib/part.js',
    `\nexport const version = 'x\n`,
    /lib\/part\.js:2:24\n +1 \|\n +> 2 \| export const version = 'x\n +\| +\^\n +3 \|\n +SyntaxError: Invalid or unexpected token\n/,
  ],
  [
    'an error that the module throws',
    'lib/part.js',
    `export const version = 'x'\nnull.length\n`,
    /lib\/part\.js:2:6\n[^✗]*> 2 \| null\.length\n[^✗]*TypeError: Cannot read properties of null/,
  ],
  [
    'an import that is missing',
    'lib/first.js',
    `export { version } from './nope.js'\n`,
    /lib\/first\.js:1:26\n +> 1 \| export .*\n[^✗]*Cannot find module '.*nope\.js'/,
  ],
  [
    'a name that is not exported',
    'lib/first.js',
    `export { verison as version } from './part.js'\n`,
    /lib\/first\.js:1\n +> 1 \| export .*\n[^✗]*does not provide an export named 'verison'/,
  ],
  [
    'a definition that is refused',
    'services/first.js',
    moduleOf('first', '5'),
    /services\/first\.js:7:5\n[^✗]*> 7 \| +version: method[^✗]*input: expected a schema of zod 4/,
  ],
  [
    'an error of zod',
    'services/first.js',
    moduleOf('first', 'z.object({ a: z.int().max(z.int().parse("a")) })'),
    /services\/first\.js:7:\d+\n[^✗]*ZodError/,
  ],
]

t.test('code that fails is shown in one frame, and the old code goes on', async (t) => {
  for (const [title, file, text, frame] of MISTAKES) {
    const good = readFileSync(join(folder, file), 'utf8')
    write(file, text)
    const [shown] = await prints(new RegExp(`✗ first not reloaded: the old code goes on\\n +${frame.source}`))
    t.equal(shown.match(/✗/g)?.length, 1, title)
    t.match(await call('first'), { status: 200, json: 'edit 5' }, title)
    write(file, good)
    await prints(/↻ first .* reloaded/)
  }
})

t.test('a file that was missing is noticed when it comes, in a folder that was not there', async (t) => {
  write(
    'services/late.js',
    `import { defineService, method } from 'threadplane/service'
import { late } from '../new/folder/late.js'
export default defineService({ methods: { go: method({ handler: () => late }) } })\n`,
  )
  await prints(/✗ late does not start\n +services\/late\.js:2:23/)
  write('new/folder/late.js', `export const late = 'here'\n`)
  await prints(/↻ late \(new\/folder\/late\.js\) reloaded/)
  t.match(await call('late', 'go'), { status: 200, json: 'here' })
})

t.test('a package of the same repository is followed; what is in node_modules is not', async (t) => {
  write('packages/shared/package.json', '{ "name": "shared", "type": "module", "exports": "./index.js" }')
  write('packages/shared/index.js', `export const version = 'shared'\n`)
  write('node_modules/packed/package.json', '{ "name": "packed", "type": "module", "exports": "./index.js" }')
  write('node_modules/packed/index.js', `export const packed = 1\n`)
  symlinkSync('../packages/shared', join(folder, 'node_modules/shared'))
  write('lib/second.js', `import 'packed'\nexport { version } from 'shared'\n`)
  await prints(/↻ second /)
  write('node_modules/packed/index.js', `export const packed = 2\n`)
  write('packages/shared/index.js', `export const version = 'again'\n`)
  await prints(/↻ second \(packages\/shared\/index\.js\) reloaded/)
  t.match(await call('second'), { status: 200, json: 'again' })
})

t.test('a new file is registered, and one that is gone takes its service with it', async (t) => {
  write('services/fresh.js', moduleOf('second'))
  await prints(/\+ fresh \(services\/fresh\.js\) is new and running/)
  const { held, release } = await hold('fresh')
  rmSync(join(folder, 'services/fresh.js'))
  const refused = async (): Promise<void> => ((await call('fresh')).status === 404 ? undefined : refused())
  await refused()
  release()
  await prints(/− fresh removed: services\/fresh\.js is gone/)
  t.match(await held, { status: 200, json: 'again' }, 'its calls have finished')
})

t.test('threadplane.json is followed: names, configuration, schedules; a fault in it is said once', async (t) => {
  const declare = (services: object) => write('services/threadplane.json', JSON.stringify({ services }))
  write(
    'services/bucket.js',
    `import { defineService, method } from 'threadplane/service'
import { z } from 'zod'
export default defineService({
  config: z.object({ bucket: z.string() }),
  methods: { name: method({ handler: (_, { config }) => config.bucket }) },
})\n`,
  )
  await prints(/✗ bucket does not start\n/)
  const nightly = { cron: '0 3 * * *', method: 'name' }
  declare({ photos: { module: 'bucket.js', config: { bucket: 'a' }, schedules: { nightly } } })
  await prints(/\+ photos \(services\/bucket\.js\) is new and running/)
  t.match(await call('photos', 'name'), { status: 200, json: 'a' })
  t.match(await call('bucket', 'name'), { status: 404 }, 'the module has the names of the file only')
  const schedule = '/v1/services/photos/schedules/nightly'
  await eventually(async () => (await request(port, 'GET', schedule)).status === 200)

  write('services/threadplane.json', '{ "services": ')
  await prints(/✗ what it declared before goes on: .*threadplane\.json cannot be used: it is not JSON/)
  declare({ photos: { module: 'nope.js' } })
  await prints(/✗ what it declared before goes on: .*services\.photos\.module: .*does not exist/)
  t.match(await call('photos', 'name'), { status: 200, json: 'a' })

  declare({ photos: { module: 'bucket.js', config: { bucket: 'b' } } })
  await prints(/↻ photos \(services\/threadplane\.json\) reloaded/)
  t.match(await call('photos', 'name'), { status: 200, json: 'b' })
  await eventually(async () => (await request(port, 'GET', schedule)).status === 404)
  rmSync(join(folder, 'services/threadplane.json'))
  await prints(/− photos removed/)
  rmSync(join(folder, 'services/bucket.js'))
  await prints(/− bucket removed/)
})

t.test('a TypeScript module is followed too', async () => {
  const typed = (output: string) => `import { defineService, method } from 'threadplane/service'
import { z } from 'zod'
export default defineService({ methods: { go: method({ output: ${output}, handler: (): number => 1 }) } })\n`
  write('services/typed.ts', typed('z.int()'))
  await prints(/\+ typed \(services\/typed\.ts\) is new and running/)
  write('services/typed.ts', typed('z.int() as = 1'))
  await prints(/✗ typed not reloaded: the old code goes on\n +services\/typed\.ts:3\n/)
  write('services/typed.ts', typed('z.number()'))
  await prints(/↻ typed .*\n {11}! go: output integer → number \(clients may break\)\n/)
})

t.test('single keys on a terminal reload, open the page, and end the server', async (t) => {
  const home = mkdtempSync(join(folder, 'keys-'))
  write('bin/xdg-open', `#!/bin/sh\necho "$1" > "${home}/new"; mv "${home}/new" "${home}/opened"\n`)
  write('bin/open', `#!/bin/sh\necho "$1" > "${home}/new"; mv "${home}/new" "${home}/opened"\n`)
  for (const program of ['xdg-open', 'open']) chmodSync(join(folder, 'bin', program), 0o755)
  const env = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    THREADPLANE_PORT: String(await freePort()),
    THREADPLANE_DATA: join(home, 'data'),
  }
  const line = `exec ${process.execPath} ${MAIN} dev`
  const terminal = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { env, cwd: folder })
  t.teardown(() => terminal.kill('SIGKILL'))
  let output = ''
  const shows = (pattern: RegExp) =>
    within(
      new Promise<void>((resolve) => {
        const look = () => pattern.test(output) && resolve()
        terminal.stdout.on('data', look)
        look()
      }),
      `${pattern}`,
    )
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await shows(/r reloads all services/)
  terminal.stdin.write('r')
  await shows(/first reloaded in/)
  terminal.stdin.write('o')
  await eventually(() => existsSync(join(home, 'opened')))
  t.equal(readFileSync(join(home, 'opened'), 'utf8'), `http://127.0.0.1:${env.THREADPLANE_PORT}/\n`)
  const ended = once(terminal, 'exit')
  terminal.stdin.write('q')
  t.strictSame(await within(ended, 'the end'), [0, null])
  t.match(output, /the server is closed/)
})

t.test('the next free port is taken, and a signal ends the server in order', async (t) => {
  const other = new Process(t, mkdtempSync(join(folder, 'other-')), ['dev', '../services'], {
    THREADPLANE_PORT: String(port),
  })
  const [, next] = await other.prints(/port \d+ is taken: this server has port (\d+)\n/)
  t.ok(Number(next) > port)
  await other.prints(/is watched/)
  other.child.kill('SIGTERM')
  t.same(await other.ended(), { code: 0, signal: null })
  dev.child.kill('SIGINT')
  t.same(await dev.ended(), { code: 0, signal: null })
  t.match(dev.output, /the server is closed/)
})

t.test('a folder that is missing and a wrong command line are refused', async (t) => {
  const none = new Process(t, mkdtempSync(join(folder, 'none-')), ['dev'], {})
  t.same(await none.ended(), { code: 1, signal: null })
  t.match(none.output, /^threadplane: there is no folder services: .*threadplane init\n$/)
  const wrong = new Process(t, mkdtempSync(join(folder, 'wrong-')), ['dev', 'a', 'b'], {})
  t.same(await wrong.ended(), { code: 2, signal: null })
  t.match(wrong.output, /^threadplane dev \[folder\]/)
})
