/** `threadplane init`: a new project, with the packed package, does what its README says. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageVersion } from '../../src/system/package-version.ts'
import { freePort } from '../free-port.ts'
import { request } from '../http-helper.ts'
import { Process } from '../process-helper.ts'
import { eventually } from '../sqlite/jobs.ts'
import { installPacked, MAIN, PACKED, projectsFolder, run } from './project.ts'

const parent = projectsFolder(t)

/** The folders and files of the package. */
const PACKAGE = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'dist/dashboard',
  'dist/routes',
  'dist/src',
  'dist/workers',
  'openapi/openapi.json',
  'openapi/openapi.yaml',
  'openapi/threadplane.schema.json',
  'package.json',
]

const { PATH } = process.env
const paste = async (line: string, cwd: string) => (await run('bash', ['-c', line], { cwd, env: { PATH } })).stdout
const init = (...args: string[]) => run(process.execPath, [MAIN, 'init', ...args], { cwd: parent, env: { PATH } })
const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()

/** Runs a command of the project that serves, and calls `hello`. */
async function answers(t: Test, project: string, line: string): Promise<void> {
  const port = await freePort()
  const [, ...args] = line.split(' ')
  const data = join(project, '.threadplane', args.join('-').replaceAll('/', '-'))
  const served = mkdtempSync(join(project, '.run-'))
  const settings = { THREADPLANE_PORT: String(port), THREADPLANE_DATA: data }
  const [command = '', folder = 'services'] = args
  const server = new Process(t, served, [command, join(project, folder)], settings)
  const call = () =>
    request(port, 'POST', '/v1/services/hello/call/greet', { json: { name: 'Ada' } }).catch(() => ({ status: 0 }))
  await eventually(async () => (await call()).status === 200)
  t.match(await call(), { status: 200, json: { greeting: 'Hello, Ada!' } }, line)
  server.child.kill('SIGTERM')
  await server.ended()
}

t.test('a project in TypeScript is tested, built and served', async (t) => {
  const { stdout } = await init('My Plane', '-y')
  const project = join(parent, 'My Plane')
  t.match(stdout, /^my-plane is made, with [^]*\n {2}cd My Plane && npm install\n {2}npx threadplane dev\n/)
  t.strictSame(filesOf(project), [
    '.dockerignore',
    '.gitignore',
    'Dockerfile',
    'README.md',
    'package.json',
    'services/hello.ts',
    'test/hello.test.ts',
    PACKED,
    'tsconfig.json',
  ])
  t.match(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')), {
    name: 'my-plane',
    type: 'module',
    dependencies: { threadplane: `file:${PACKED}`, zod: String },
    devDependencies: { typescript: String, '@types/node': String, amaro: String },
  })
  await installPacked(project)
  const packed = filesOf(join(project, 'node_modules/threadplane')).map((path) => path.split('/').slice(0, 2).join('/'))
  t.strictSame([...new Set(packed)].sort(), PACKAGE, 'no tests and no benchmarks')
  const maps = filesOf(join(project, 'node_modules/threadplane')).filter((path) => path.endsWith('.map'))
  t.ok(maps.length > 0)
  for (const path of maps) {
    const map = JSON.parse(readFileSync(join(project, 'node_modules/threadplane', path), 'utf8'))
    t.equal(map.sources.length, map.sourcesContent?.length, `${path} has its sources`)
  }
  t.match(await paste('npm test', project), /[#ℹ] pass 2\n[#ℹ] fail 0/)
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
    scripts: { start: string; dev: string }
  }
  await answers(t, project, scripts.start)
  await answers(t, project, scripts.dev)
})

t.test('a project in JavaScript is tested and served', async (t) => {
  await init('plain', '--template', 'js')
  const project = join(parent, 'plain')
  await installPacked(project)
  t.match(await paste('npm test', project), /[#ℹ] pass 2\n[#ℹ] fail 0/)
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { scripts: { start: string } }
  await answers(t, project, scripts.start)
  t.test('a threadplane that npm has installed is taken from the registry', async (t) => {
    await paste('npx threadplane init next -y', project)
    const next = join(project, 'next')
    t.notOk(filesOf(next).includes(PACKED))
    t.match(JSON.parse(readFileSync(join(next, 'package.json'), 'utf8')), {
      dependencies: { threadplane: `^${packageVersion()}` },
    })
  })
})

t.test('a folder with one of the files is refused, and nothing is changed', async (t) => {
  const project = join(parent, 'mine')
  mkdirSync(join(project, 'services'), { recursive: true })
  writeFileSync(join(project, 'services', 'hello.ts'), 'mine')
  writeFileSync(join(project, 'package.json'), '{}')
  const refused = await init('mine').catch((error: { code: number; stderr: string }) => error)
  t.match(refused, {
    code: 1,
    stderr: /^threadplane: nothing was changed: .*mine has package\.json, services\/hello\.ts already\n$/,
  })
  t.strictSame(filesOf(project), ['package.json', 'services/hello.ts'])
  t.equal(readFileSync(join(project, 'services', 'hello.ts'), 'utf8'), 'mine')
})

t.test('a template that does not exist, and too many folders, are refused', async (t) => {
  const template = await init('x', '--template', 'py').catch((error: object) => error)
  t.match(template, { code: 2, stderr: /there is no template "py"; there are: ts, js/ })
  t.match(await init('x', 'y').catch((error: object) => error), { code: 2, stderr: /^threadplane init \[folder\]/ })
  t.notOk(readdirSync(parent).includes('x'))
})

t.test('the Dockerfiles are sound', async (t) => {
  for (const template of ['ts', 'js']) {
    const { stdout } = await run('npx', ['dockerfilelint', `src/init/templates/${template}/Dockerfile`])
    t.match(stdout, /Issues: None found/, template)
  }
})
