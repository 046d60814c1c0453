/** Each example of the help runs, and `docs/cli.md` is what the program says. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chdir } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { CLI_REFERENCE } from '../../docs/generate.ts'
import { referenceOfCli } from '../../src/cli/reference.ts'
import { loadVerbs } from '../../src/cli/verbs/index.ts'
import { type Ended, cli, envOf, servePrimes } from './cli-rig.ts'

/** Examples that cannot end with 0 here → the exit code, and why. */
const OTHER_CODES: Record<string, number> = {
  // It needs a terminal.
  'threadplane top': 2,
  // The server is alone.
  'threadplane drain $NODE -y': 9,
}

t.test('docs/cli.md is what the program says', async (t) => {
  t.equal(await readFile(CLI_REFERENCE, 'utf8'), await referenceOfCli(), '`npm run docs:pages` writes it again')
})

t.test('each example of the help runs', async (t) => {
  const server = await servePrimes(t)
  const env = envOf(server)
  const job = async (query = '') => (await server.cast('primes', 'count', { below: 100 }, query)).json.id as string
  const later = () => job('?delayMs=3600000')
  const [finished, waiting, delayed, failed] = [await job(), await later(), await later(), await later()]
  await server.finished(finished)
  await server.post(`/v1/jobs/${failed}/cancel`)
  const names: Record<string, string> = {
    $JOB: finished,
    $WAITING: waiting,
    $DELAYED: delayed,
    $FAILED: failed,
    $NODE: (await server.get('/v1/nodes')).json.items[0].name as string,
  }
  // Profiles are written into the present folder.
  const before = process.cwd()
  chdir(server.folder)
  t.teardown(() => chdir(before))

  const verbs = await loadVerbs()
  for (const { usage, examples } of verbs) {
    const file = await loadVerbs(usage.split(' ')[0])
    t.ok(file.length < verbs.length && file.some((verb) => verb.usage === usage), `${usage} loads one file`)
    t.not(examples.length, 0, `${usage} has an example`)
    for (const example of examples) {
      // Each example finds the service as it is after a start of the server.
      await server.post('/v1/services/primes/start')
      await server.post('/v1/services/primes/resume')
      const { code, stderr } = await runLine(example, names, env)
      t.equal(code, OTHER_CODES[example] ?? 0, `${example}: ${stderr}`)
    }
  }

  const loaded = await modulesOf(['ps'], env, t.testdir())
  t.match(loaded, 'node:http\n')
  // From Node 22 on, `node:http` itself loads what is behind fetch.
  const fetch = Number.parseInt(process.versions.node) < 22 ? 'undici' : 'node_modules/undici'
  t.notMatch(
    loaded,
    new RegExp(`${fetch}|zod|fastify|pino`),
    'a short command loads neither Node’s fetch nor what the server needs',
  )
})

/** What a command of a process of its own has loaded, a line each. */
async function modulesOf(args: string[], env: NodeJS.ProcessEnv, folder: string): Promise<string> {
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
  await promisify(execFile)(process.execPath, [main, ...args], { env: { ...env, NODE_V8_COVERAGE: folder } })
  const [file = ''] = await readdir(folder)
  const { result } = JSON.parse(await readFile(join(folder, file), 'utf8')) as { result: { url: string }[] }
  return result.map(({ url }) => `${url}\n`).join('')
}

/** Runs a line as a shell does: with quotes, variables, and `echo '…' |`. */
function runLine(line: string, variables: Record<string, string>, env: NodeJS.ProcessEnv): Promise<Ended> {
  const words = Array.from(
    line.matchAll(/'([^']*)'|(\S+)/g),
    ([, quoted, bare = '']) => quoted ?? variables[bare] ?? bare,
  )
  const program = words.indexOf('threadplane')
  return cli(words.slice(program + 1), { env, ...(program > 0 && { stdin: words[1] as string }) })
}
