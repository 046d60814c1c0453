/** The command line in a real terminal of 60, 80 and 200 columns. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { within } from '../http-helper.ts'
import { envOf, servePrimes } from './cli-rig.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const ESCAPES = /\p{Cc}\[[\d;?]*[A-Za-z]/gu
const CTRL_C = '\u0003'

const hasScript = spawnSync('script', ['--version']).error === undefined
const skip = hasScript ? {} : { skip: 'there is no program `script`' }
const server = await servePrimes(t, { gate: 'gate', crashes: 'crash-loops' })
const env = { ...envOf(server), PATH: process.env.PATH, TERM: 'xterm', TZ: 'UTC' }

/** A command in a terminal of its own. */
class Terminal {
  readonly child: ChildProcess
  screen = ''
  #watch = () => {}

  constructor(t: Test, columns: number, command: string) {
    const line = `stty cols ${columns} rows 40; exec ${process.execPath} ${MAIN} ${command}`
    this.child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { env })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.screen += text
      this.#watch()
    })
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  /** Resolves once the screen matches. */
  shows(pattern: RegExp): Promise<void> {
    const shown = new Promise<void>((resolve) => {
      this.#watch = () => {
        if (pattern.test(this.screen)) resolve()
      }
      this.#watch()
    })
    return within(shown, `${pattern} on the screen`)
  }

  press(keys: string): void {
    this.child.stdin?.write(keys)
  }

  async ended(): Promise<number> {
    const [code] = (await within(once(this.child, 'close'), 'the end of the command')) as [number]
    return code
  }

  get lines(): string[] {
    return this.screen.replaceAll(ESCAPES, '').replaceAll('\r', '').trimEnd().split('\n')
  }
}

t.test('no line of a table is longer than the terminal', skip, async (t) => {
  await server.reaches('crashes', 'failed')
  const titles: Record<number, string[]> = {}
  for (const columns of [60, 80, 200]) {
    const terminal = new Terminal(t, columns, 'ps')
    t.equal(await terminal.ended(), 0)
    const [title = '', ...rows] = terminal.lines
    t.equal(rows.length, 3)
    for (const line of terminal.lines) t.ok(line.length <= columns, `${columns}: ${line}`)
    t.match(rows.join('\n'), /crashes +failed/)
    titles[columns] = title.split(/ +/)
  }
  t.notOk(titles[60]?.includes('RESTARTS'))
  t.ok(titles[200]?.includes('RESTARTS'))
  t.strictSame(titles[60]?.slice(0, 2), ['NAME', 'STATE'])
})

t.test('a terminal has colours, unless NO_COLOR or --no-color says otherwise', skip, async (t) => {
  const coloured = new Terminal(t, 80, 'ps')
  await coloured.ended()
  t.match(coloured.screen, ESCAPES)
  const plain = new Terminal(t, 80, '--no-color ps')
  await plain.ended()
  t.notMatch(plain.screen, ESCAPES)
})

t.test('cast --wait draws a bar; Ctrl-C ends the wait, and the job goes on', skip, async (t) => {
  const terminal = new Terminal(t, 80, 'cast gate progress token=shown --wait')
  await terminal.shows(/█+░+ +50 % +attempt 1\/3 +\d+\.\ds +half/)
  terminal.press(CTRL_C)
  t.equal(await terminal.ended(), 130)
  const [, id = ''] = /no longer waiting; it goes on: threadplane job (\S+)/.exec(terminal.screen) ?? []
  await server.call('gate', 'release', { token: 'shown' })
  t.match(await server.finished(id), { state: 'succeeded' })
})

t.test('what destroys asks, and does nothing without a yes', skip, async (t) => {
  const terminal = new Terminal(t, 80, 'rm gate')
  await terminal.shows(/This will stop and delete the service gate\. Go on\? \[y\/N\]/)
  terminal.press('n\r')
  t.equal(await terminal.ended(), 1)
  t.match(terminal.screen, /nothing was changed/)
  t.equal((await server.status('gate')).name, 'gate')
})

t.test('top draws the services until q', skip, async (t) => {
  const terminal = new Terminal(t, 80, 'top')
  await terminal.shows(/threadplane +3 services[^]*NAME +STATE[^]*primes +\S*running/)
  terminal.press('q')
  t.equal(await terminal.ended(), 0)
})
