/** A script of ten verbs goes on over a restart of the server in its middle. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { within } from '../http-helper.ts'
import { Process, workersFolder } from '../process-helper.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

const SCRIPT = `set -e
threadplane() { "$NODE" "$MAIN" "$@"; }
threadplane ps -q
job=$(threadplane cast echo any kept=yes --delay 1s -q)
threadplane call echo any n:=1
threadplane set echo numWorkers:=3
threadplane pause echo
echo half
read -r line
threadplane resume echo || threadplane start echo
threadplane wait "$job"
threadplane call echo any n:=2
threadplane jobs --state succeeded -q
threadplane stop echo
echo done
`

t.test('a script with set -e ends well although the server is restarted in its middle', async (t) => {
  const folder = workersFolder({ echo: 'echo' })
  const port = await freePort()
  const serve = () => new Process(t, folder, ['serve', 'workers', '--no-supervise'], { THREADPLANE_PORT: String(port) })
  const first = serve()
  await first.prints(/services: echo running/)
  const env = {
    PATH: process.env.PATH,
    NODE: process.execPath,
    MAIN,
    THREADPLANE_URL: `http://127.0.0.1:${port}`,
    XDG_CONFIG_HOME: folder,
  }
  const script = spawn('sh', ['-c', SCRIPT], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  const half = new Promise<void>((resolve) => {
    for (const stream of [script.stdout, script.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (/^half$/m.test(output)) resolve()
      })
    }
  })
  await within(half, `the first half of the script: ${output}`)
  first.child.kill('SIGKILL')
  await first.ended()
  // The script goes on while nobody listens.
  script.stdin.end('go on\n')
  serve()
  const [code] = (await within(once(script, 'close'), 'the end of the script')) as [number]
  t.equal(code, 0, output)
  t.match(output, /\{"n":1\}[^]*half[^]*\{"kept":"yes"\}[^]*\{"n":2\}[^]*done/)
})
