/** A server that other machines can reach does not start without a token; how it gets one; where none may be seen. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newToken } from '../../src/auth/token-text.ts'
import { Process, run, workersFolder } from '../process-helper.ts'

t.jobs = 2

const SERVE = ['serve', 'workers', '--no-supervise']
const everywhere = { THREADPLANE_HOST: '0.0.0.0' }
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

t.test(
  'without a token it does not listen beyond loopback; the message has the command',
  { buffered: true },
  async (t) => {
    const server = run(t, SERVE, everywhere)
    t.same(await server.ended(), { code: 1, signal: null })
    t.match(
      server.output,
      /THREADPLANE_HOST is 0\.0\.0\.0: .* threadplane token create admin --scope admin\. THREADPLANE_INSECURE=true/,
    )
    t.notOk(existsSync(join(server.folder, 'data', 'jobs.sqlite')), 'nothing was made')
  },
)

t.test(
  'a missing file of the administrator token is made once; the log says where it is',
  { buffered: true },
  async (t) => {
    const folder = workersFolder({ echo: 'echo' })
    const file = join(folder, 'data', 'admin-token')
    const environment = { ...everywhere, THREADPLANE_ADMIN_TOKEN_FILE: file }
    const first = new Process(t, folder, SERVE, environment)
    await first.prints(/services: echo running/)
    t.match(first.output, `a token for the administrator was made: it is in ${file}, which only this user can read`)
    const token = readFileSync(file, 'utf8').trim()
    t.notMatch(first.output, token)
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.equal((await first.request('GET', '/v1/services')).status, 401)
    t.equal((await first.request('GET', '/v1/services', bearer(token))).status, 200)
    t.equal((await first.request('GET', '/livez')).status, 200)
    first.child.kill('SIGTERM')
    await first.ended()
    const second = new Process(t, folder, SERVE, environment)
    await second.prints(/services: echo running/)
    t.equal((await second.request('GET', '/v1/services', bearer(token))).status, 200)
    t.notMatch(second.output, /a token for the administrator was made/)
    second.child.kill('SIGTERM')
    await second.ended()
  },
)

t.test('a token of the environment is valid, and no service sees it', { buffered: true }, async (t) => {
  const token = newToken()
  const folder = workersFolder({ echo: 'echo' })
  const source = `import { defineService, method } from 'threadplane/service'
    export default defineService({ methods: { look: method({ handler: () => JSON.stringify(process.env) }) } })`
  writeFileSync(join(folder, 'workers', 'looks.js'), source)
  const server = new Process(t, folder, SERVE, { THREADPLANE_ADMIN_TOKEN: token })
  await server.prints(/services: .*looks running/)
  const { status, text } = await server.request('POST', '/v1/services/looks/call/look', bearer(token))
  t.equal(status, 200)
  t.match(text, 'THREADPLANE_DATA')
  t.notMatch(text, token)
  t.notMatch(server.output, token)
  server.child.kill('SIGTERM')
  await server.ended()
})

t.test('a tokens file that others can read ends the start', { buffered: true }, async (t) => {
  const folder = workersFolder({})
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  writeFileSync(join(folder, 'data', 'tokens.json'), '{ "version": 1, "tokens": [] }', { mode: 0o644 })
  const server = new Process(t, folder, SERVE, {})
  t.same(await server.ended(), { code: 1, signal: null })
  t.match(
    server.output,
    /threadplane: the tokens file .* others can read or write it \(its mode is 0644\): run chmod 600/,
  )
})
