/** The log of a process whose reader is slow, or reads nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { within } from './http-helper.ts'

const LOG = fileURLToPath(new URL('../src/log.js', import.meta.url))

/** Runs a script with the logger as `log`, and does not read its output. */
function run(script: string) {
  const code = `import { createLogger } from ${JSON.stringify(LOG)}
    const log = createLogger({ logLevel: 'info' })
    ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.setEncoding('utf8')
  child.stderr.setEncoding('utf8')
  return child
}

const FLOOD = `
  const text = 'x'.repeat(1_000)
  for (let n = 0; n < 40_000; n += 1) log.info({ n }, text)
`

t.test('lines beyond the limit are dropped, and their number is logged once the reader reads', async (t) => {
  const child = run(`${FLOOD}
    process.stderr.write('flooded')
    const alive = setInterval(() => {}, 1_000)
    process.once('SIGTERM', () => clearInterval(alive))`)
  await within(once(child.stderr, 'data'), 'the end of the flood')
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
    if (/lines of the log were lost/.test(output)) child.kill()
  })
  t.same(await within(once(child, 'close'), 'the end of the process'), [0, null])
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { n?: number; lost?: number })
  const { lost = 0 } = lines.find((line) => line.lost !== undefined) ?? {}
  const written = lines.filter(({ n }) => n !== undefined).length
  t.ok(written > 1_000 && written < 15_000, `${written} lines were written`)
  t.equal(written + lost, 40_000, 'every line is written or counted')
})

t.test('a log that nobody reads keeps no process from its exit, and a fatal line does not stop it', async (t) => {
  const child = run(`${FLOOD}
    log.fatal('the worst')
    process.exit(0)`)
  // Not `close`: the pipe, which nobody reads, would delay it.
  t.same(await within(once(child, 'exit'), 'the exit'), [0, null])
  child.stdout.destroy()
})
