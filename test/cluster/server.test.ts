/** A server whose jobs are in a database: a restart in the middle, what it says of itself, and what it refuses. */
import t from 'tap'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { PgStore } from '../../src/cluster/pg-store.ts'
import { serve } from '../http-helper.ts'
import { eventually } from '../sqlite/jobs.ts'
import { noPostgres, Postgres } from './postgres.ts'

interface JobBody {
  id: string
  state: string
  result: unknown
}

t.test('jobs are there after a restart of the server, and run', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t, { fsync: true })
  const database = {
    url: postgres.url,
    schema: postgres.schema(),
    node: newIdentity({ name: 'test', url: 'http://127.0.0.1:1', labels: {} }),
    connections: 3,
  }
  const first = await serve(t, { services: { echo: 'echo' }, database })
  const done = (await first.cast('echo', 'any', { text: 'first' })).json as JobBody
  const jobOf = async (server: typeof first, id: string) => (await server.get(`/v1/jobs/${id}`)).json as JobBody
  await eventually(async () => (await jobOf(first, done.id)).state === 'succeeded')
  const { json: readiness } = await first.get('/readyz?verbose')
  const detail = 'an accepted job survives a crash of the database'
  const checks = readiness.checks as { name: string }[]
  t.equal(readiness.status, 'ok')
  t.match(
    checks.find(({ name }) => name === 'journal'),
    { ok: true, detail },
  )
  t.ok(first.logs.records.some(({ msg }) => msg.includes(detail)))
  const metrics = await first.get('/metrics')
  t.match(metrics.text, /threadplane_journal_writable 1/)
  t.match(metrics.text, /threadplane_jobs\{[^}]*state="succeeded"[^}]*\} 1/)
  t.notMatch(metrics.text, /threadplane_journal_file_bytes/)
  const later = (await first.cast('echo', 'any', { text: 'later' }, '?delayMs=1000')).json as JobBody
  t.equal(later.state, 'scheduled')
  await first.close()
  t.strictSame(await postgres.query(`SELECT id FROM ${database.schema}.nodes`), [], 'its row is deleted')

  const second = await serve(t, { services: { echo: 'echo' }, database })
  t.match(await jobOf(second, done.id), { state: 'succeeded' })
  await eventually(async () => (await jobOf(second, later.id)).state === 'succeeded')
})

t.test('a database that may lose accepted jobs is refused, unless that is allowed', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const database = {
    url: postgres.url,
    schema: postgres.schema(),
    node: newIdentity({ name: 'test', url: 'http://127.0.0.1:1', labels: {} }),
    connections: 2,
  }
  await t.rejects(serve(t, { services: { echo: 'echo' }, database }), {
    message:
      /may be lost in a crash of the database: fsync and full_page_writes are off.*THREADPLANE_UNSAFE_DATABASE=true/,
  })
  const server = await serve(t, { services: { echo: 'echo' }, database: { ...database, allowUnsafe: true } })
  t.match((await server.cast('echo', 'any', { text: 'x' })).status, 202)
})

t.test('while the database is away, casts are refused and calls go on', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t, { fsync: true })
  const server = await serve(t, {
    services: { echo: 'echo' },
    database: {
      url: postgres.url,
      schema: postgres.schema(),
      node: newIdentity({ name: 'test', url: 'http://127.0.0.1:1', labels: {} }),
    },
  })
  await postgres.kill()
  await eventually(async () => (await server.get('/readyz')).status === 503)
  const refused = await server.cast('echo', 'any', { text: 'x' })
  t.match(refused, { status: 503, json: { code: 'JOURNAL_UNAVAILABLE' } })
  const { json } = await server.get('/readyz?verbose')
  const checks = json.checks as { name: string }[]
  t.match(
    checks.find(({ name }) => name === 'journal'),
    { ok: false, detail: 'it cannot be used now: the log says why' },
  )
  t.equal((await server.call('echo', 'any', { text: 'x' })).status, 200)
  await postgres.start()
  await eventually(async () => (await server.get('/readyz')).status === 200)
  t.equal((await server.cast('echo', 'any', { text: 'x' })).status, 202)
})

t.test('an address without a database ends the start', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const url = `${postgres.url.replace(/postgres$/, '')}none`
  const options = {
    url,
    schema: 'x',
    connections: 2,
    node: newIdentity({ name: 'x', url: '', labels: {} }),
    version: 'test',
    keepJobsMs: 1,
    log: console as never,
  }
  await t.rejects(PgStore.open(options), { message: /refuses the login: database "none" does not exist/ })
})
