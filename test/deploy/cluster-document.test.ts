/** The commands of docs/cluster.md, pasted: two nodes over a real PostgreSQL, and the data of one server moved there. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { freePort } from '../free-port.ts'
import { blocksOf } from '../markdown-blocks.ts'
import { noPostgres, Postgres } from '../cluster/postgres.ts'
import { eventually } from '../sqlite/jobs.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const run = promisify(execFile)

/** Blocks of commands as lines, each with the block of its output, if it has one. */
function blocks(document: string): { commands: string[]; output: string | undefined }[] {
  const found = blocksOf(document).filter(({ language }) => language === 'sh')
  return found.map(({ text, output }) => ({ commands: text.trim().split('\n'), output }))
}

/** Runs a server line, as in a terminal of its own, and ends it after the test. */
function serveLine(t: Test, line: string, cwd: string, env: NodeJS.ProcessEnv): void {
  const assignments = line.replace('npx threadplane', `exec ${process.execPath} ${MAIN}`)
  const child = spawn('bash', ['-c', `export ${assignments.replace(' exec', '; exec')}`], { cwd, env, stdio: 'ignore' })
  t.teardown(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
}

t.test('the commands of docs/cluster.md do what it says', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t, { fsync: true })
  const [first, second, third, fourth] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const text = (await readFile('docs/cluster.md', 'utf8'))
    .replaceAll('postgres://threadplane@127.0.0.1:5432/postgres', postgres.url)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${first}`)
    .replaceAll('NAME=a', `NAME=a THREADPLANE_PORT=${first} THREADPLANE_NODE_PORT=${third}`)
    .replaceAll('8090', String(second))
    .replaceAll('8091', String(fourth))
  const [cluster, readiness, move] = blocks(text)
  if (cluster === undefined || readiness === undefined || move === undefined) return t.fail('there are three blocks')
  t.equal(cluster.commands.length, 5)
  const [install, setting = '', one = '', two = '', cast = ''] = cluster.commands
  t.equal(install, 'npm install --no-save pg')
  const folder = mkdtempSync(join(HERE, 'document-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const { PATH } = process.env
  const env = { PATH, [setting.split(/[ =]/)[1] ?? '']: setting.slice(setting.indexOf('=') + 1) }
  const paste = async (line: string) => (await run('bash', ['-c', line], { cwd: folder, env })).stdout

  // What one server has on disk moves first.
  const alone = { PATH, THREADPLANE_PORT: String(first) }
  const server = spawn(process.execPath, [MAIN, 'serve'], { cwd: folder, env: alone, stdio: 'ignore' })
  const isReady = (port = 0) =>
    fetch(`http://127.0.0.1:${port}/startupz`).then(
      ({ ok }) => ok,
      () => false,
    )
  await eventually(() => isReady(first))
  t.equal(await paste(cast.replaceAll(String(second), String(first))), cluster.output)
  server.kill('SIGTERM')
  await once(server, 'exit')
  t.equal(move.commands[0], 'npx threadplane migrate --to database')
  const moved = await paste((move.commands[0] ?? '').replace('npx threadplane', `${process.execPath} ${MAIN}`))
  t.match(moved, /^copied from the data folder \.threadplane to the database \(schema threadplane\): 1 job, /)

  serveLine(t, one, folder, env)
  serveLine(t, two, folder, env)
  await eventually(async () => (await isReady(first)) && (await isReady(second)))
  t.equal(await paste(cast), cluster.output)
  const { items } = (await (await fetch(`http://127.0.0.1:${second}/v1/jobs`)).json()) as { items: unknown[] }
  t.equal(items.length, 2, 'the job of the one server is there too')
  t.match(await paste(readiness.commands[0] ?? ''), 'an accepted job survives a crash of the database')
})
