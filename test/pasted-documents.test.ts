/**
 * README and the guides, as a reader uses them: their modules are served and their commands pasted, and what these print is
 * what the documents show. TypeScript is checked by the compiler. Tutorial and cluster.md have tests of their own.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { freePort } from './free-port.ts'
import { looksLike, blocksOf } from './markdown-blocks.ts'
import { Process } from './process-helper.ts'

const run = promisify(execFile)
const HERE = fileURLToPath(new URL('.', import.meta.url))
const MAIN = join(HERE, '../src/main.js')
const TSC = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
/** Long, for a busy machine: it only ends a command that hangs. */
const DEADLINE_MS = 120_000

/** init/tutorial.test.ts, deploy/cluster-document.test.ts and cli/examples.test.ts do what these say. */
const TESTED_ELSEWHERE = new Set(['docs/tutorial.md', 'docs/cluster.md', 'docs/cli.md'])
/** Commands that are not pasted here, by what their block begins with, and what does the same. */
const NOT_PASTED = new Map([
  ['npm ci && npm start', 'It serves until Ctrl-C: this test serves the same modules.'],
  ['npm ci\n', 'It is what .ci/run does.'],
  ['npm run pretest', 'It builds what runs now.'],
  ['npm run release', 'It is in release/release.test.ts.'],
  [
    'npx threadplane init',
    'npm downloads: init/init.test.ts installs from a file, and init/tutorial.test.ts runs `dev`.',
  ],
  ['npm init', 'npm downloads: this test makes and serves such a folder.'],
  ['docker compose up', 'It needs Docker: deploy/deploy-files.test.ts reads the files.'],
  ['TOKEN=$(docker', 'It needs Docker: auth and cli have tests of the token and of the command.'],
  ['prometheus', 'It serves until Ctrl-C: deploy/prometheus.test.ts runs promtool.'],
  [
    'npm install @opentelemetry',
    'npm downloads an exporter: telemetry/traces.test.ts has the SDK with one of its own.',
  ],
])
const notPasted = (text: string) => [...NOT_PASTED.keys()].find((beginning) => text.startsWith(beginning))
/** Waits for what the reader waits for, without a guess of how long that takes. */
const RESTARTED = `until curl -s http://127.0.0.1:8080/v1/services/primes | grep -q '"state":"running"'; do sleep 0.1; done`

/** The guide that makes a token is the last: from then on every request needs one. */
const guides = readdirSync('docs')
  .filter((name) => name.endsWith('.md') && name !== 'security.md')
  .map((name) => `docs/${name}`)
const blocks = ['README.md', 'CONTRIBUTING.md', ...guides, 'docs/security.md'].flatMap((document) =>
  blocksOf(readFileSync(document, 'utf8')).map((block) => ({ ...block, where: `${document}:${block.line}` })),
)

const project = mkdtempSync(join(HERE, 'pasted-'))
cpSync('README.md', join(project, 'README.md'))
cpSync(join(HERE, '../workers'), join(project, 'services'), {
  recursive: true,
  filter: (path) => !/adder|\.(d\.ts|map)$/.test(path),
})

function write(file: string, text: string): void {
  const path = join(project, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const files = new Map<string, string>()
for (const { file, text } of blocks) if (file !== undefined) files.set(file, text)
for (const [file, text] of files) write(file, text)

const port = await freePort()
const server = new Process(t, project, ['serve', 'services', '--no-supervise'], { THREADPLANE_PORT: String(port) })

t.test('a file that several documents show is the same in all of them', async (t) => {
  for (const { file, text, where } of blocks) if (file !== undefined) t.equal(text, files.get(file), where)
})

t.test('JSON is JSON, and TypeScript and JavaScript compile', async (t) => {
  for (const { language, file, text, where } of blocks) {
    if (language === 'json') t.doesNotThrow(() => JSON.parse(text), where)
    const isCode = language === 'ts' || language === 'js'
    if (isCode && file === undefined) write(`examples/${where.replaceAll(/[/:]/g, '-')}.${language}`, text)
  }
  const tsconfig = {
    extends: '../../../tsconfig.json',
    compilerOptions: {
      allowJs: true,
      checkJs: false,
      noEmit: true,
      sourceMap: false,
      inlineSources: false,
      declaration: false,
      allowImportingTsExtensions: true,
      lib: ['es2023', 'dom'],
      rootDir: '../../..',
    },
    include: ['examples', 'services/*.ts', 'test'],
    exclude: [],
  }
  write('tsconfig.json', JSON.stringify(tsconfig))
  const compiled = await run(process.execPath, [TSC, '--project', project]).catch((error: { stdout: string }) => error)
  t.equal(compiled.stdout, '')
})

t.test('commands print what the documents show', async (t) => {
  await server.prints(/services: .*running/)
  const env = {
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    HOME: project,
    THREADPLANE_DATA: join(project, 'data'),
    THREADPLANE_URL: `http://127.0.0.1:${port}`,
  }
  const unused = new Set(NOT_PASTED.keys())
  let pasted = 0
  for (const { language, text, output, where } of blocks) {
    if (language !== 'sh' || TESTED_ELSEWHERE.has(where.replace(/:\d+$/, ''))) continue
    const exception = notPasted(text)
    if (exception !== undefined) {
      unused.delete(exception)
      continue
    }
    const commands = text.replace('sleep 1\n', `${RESTARTED}\n`).replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    const script = `npx() { node ${MAIN} "\${@:2}"; }\n${commands}`
    const { stdout, failure } = await run('bash', ['-ec', script], { cwd: project, env, timeout: DEADLINE_MS }).then(
      (done) => ({ stdout: done.stdout.replaceAll('\r', ''), failure: undefined }),
      (error: Error & { stdout: string }) => ({ stdout: error.stdout, failure: error.message }),
    )
    t.equal(failure, undefined, where)
    if (output !== undefined && !looksLike(output, stdout)) t.equal(stdout, output, where)
    pasted += 1
  }
  t.ok(pasted > 20)
  t.strictSame([...unused], [], 'each exception is one of a block')
})
