/** `threadplane migrate`, as a process, between real files and a real PostgreSQL. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { NOT_COPIED, TABLES } from '../../src/transfer/tables.ts'
import { noPostgres } from '../cluster/postgres.ts'
import { serve } from '../http-helper.ts'
import { LocalJournal, request } from '../sqlite/jobs.ts'
import { contentOf, fullFolder, migrate, newDatabase, newFolder } from './rig.ts'

const servicesOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'services.json'), 'utf8')) as unknown

t.test('from a folder to a database and back, everything is as it was', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const before = contentOf(t, folder)
  t.match(before, {
    jobs: { length: 7 },
    failures: { length: 1 },
    attemptLogs: { length: 2 },
    idempotencyKeys: { length: 1 },
    audit: { length: 1 },
  })
  const { environment } = await newDatabase(folder)
  const there = await migrate(t, ['database'], environment)
  t.equal(there.code, 0)
  const what = '7 jobs, 2 attempt logs, 1 schedule, 1 idempotency key, 1 audit row, 3 registrations'
  t.match(
    there.output,
    `copied from the data folder ${folder} to the database (schema ${environment.THREADPLANE_DATABASE_SCHEMA}): ${what}`,
  )
  t.same(contentOf(t, folder), before, 'the source is as it was')

  const second = join(newFolder(t), 'new')
  const back = await migrate(t, ['folder'], { ...environment, THREADPLANE_DATA: second })
  t.match(back, { code: 0, output: what })
  t.same(contentOf(t, second), before)
  t.strictSame(servicesOf(second), servicesOf(folder))
})

t.test('an attempt that was under way counts in the copy, both ways', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t, { running: true })
  const before = contentOf(t, folder)
  const { environment, query } = await newDatabase(folder)
  t.match(await migrate(t, ['database'], environment), { code: 0 })
  t.same(contentOf(t, folder), before, 'in the source it is under way as before')
  const ended = 'server ended'
  const [copied] = await query<{ state: string; history: string[] }>(
    'SELECT state, history FROM $schema.jobs ORDER BY seq DESC LIMIT 1',
  )
  t.match(copied, { state: 'scheduled', history: [new RegExp(ended)] })

  // As a node leaves it that was killed.
  const node = newIdentity({ name: 'gone', url: '', labels: {} }).id
  await query(`UPDATE $schema.jobs SET state = 'running', attempts = 3, begun_at = 1, node = '${node}'
    WHERE seq = (SELECT max(seq) FROM $schema.jobs)`)
  await query(`INSERT INTO $schema.nodes (id, name, url, token, version, seen_at)
    VALUES ('${node}', 'gone', '', '', '', now() - interval '1 minute')`)
  const second = newFolder(t)
  t.match(await migrate(t, ['folder'], { ...environment, THREADPLANE_DATA: second }), { code: 0 })
  const { jobs, failures } = contentOf(t, second)
  t.match(jobs?.filter((job) => job.includes('"state":"failed"')).length, 2)
  t.equal(failures?.length, 2)
  const [left] = await query('SELECT state FROM $schema.jobs ORDER BY seq DESC LIMIT 1')
  t.same(left, { state: 'running' }, 'in the source it is under way as before')
})

t.test('new jobs come after those that were copied', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const { postgres, schema, environment } = await newDatabase(folder)
  t.match(await migrate(t, ['database'], environment), { code: 0 })
  const node = newIdentity({ name: 'test', url: 'http://127.0.0.1:1', labels: {} })
  const database = { url: postgres.url, schema, node, allowUnsafe: true }
  const plane = await serve(t, { services: { mail: 'echo', echo: 'echo' }, database })
  const { json: job } = await plane.cast('echo', 'any', { text: 'new' })
  const { json: newest } = await plane.get('/v1/jobs?limit=1')
  t.equal(newest.items[0].id, job.id)
  const { json: all } = await plane.get('/v1/jobs?limit=100')
  t.equal(all.items.length, 8)
  t.match(await plane.get('/v1/services/mail/schedules'), { json: { items: [{ name: 'daily' }] } })
  t.match(await plane.get('/v1/services/later'), { json: { state: 'failed' } })
})

t.test(
  'a target that holds something is refused, and with --replace it is deleted first',
  { skip: noPostgres },
  async (t) => {
    const folder = await fullFolder(t)
    const { environment, query } = await newDatabase(folder)
    t.match(await migrate(t, ['database'], environment), { code: 0 })
    await query(`UPDATE $schema.jobs SET service = 'other'; UPDATE $schema.registrations SET registration = '{}'`)
    const refused = await migrate(t, ['database'], environment)
    t.equal(refused.code, 1)
    t.match(
      refused.output,
      /holds 7 jobs, 2 attempt logs, .*3 other registrations already: --replace deletes all of that first\n$/,
    )
    t.match(await query("SELECT count(*)::int AS others FROM $schema.jobs WHERE service = 'other'"), [{ others: 7 }])
    t.match(await migrate(t, ['database', '--replace'], environment), { code: 0 })
    t.match(await query("SELECT count(*)::int AS others FROM $schema.jobs WHERE service = 'other'"), [{ others: 0 }])

    const other = await fullFolder(t)
    const back = { ...environment, THREADPLANE_DATA: other }
    const before = contentOf(t, other)
    t.match(await migrate(t, ['folder'], back), { code: 1, output: `the data folder ${other} holds 7 jobs` })
    t.same(contentOf(t, other), before)
    t.match(await migrate(t, ['folder', '--replace'], back), { code: 0 })
    t.same(contentOf(t, other), contentOf(t, folder))
  },
)

t.test('while a server uses either side, nothing is copied', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const { postgres, schema, environment, query } = await newDatabase(folder)
  const embedded = await serve(t, { services: {} })
  const inUse = { ...environment, THREADPLANE_DATA: join(embedded.folder, 'data') }
  for (const to of ['database', 'folder']) {
    t.match(await migrate(t, [to], inUse), { code: 1, output: `is in use by process ${process.pid}` })
  }
  const node = newIdentity({ name: 'berta', url: 'http://127.0.0.1:1', labels: {} })
  const plane = await serve(t, { services: {}, database: { url: postgres.url, schema, node, allowUnsafe: true } })
  for (const to of [['database'], ['folder', '--replace']]) {
    t.match(await migrate(t, to, environment), { code: 1, output: 'the node berta uses the database' })
  }
  await plane.close()
  t.match(await query('SELECT count(*)::int AS jobs FROM $schema.jobs'), [{ jobs: 0 }])
  t.match(await migrate(t, ['database'], environment), { code: 0 })
})

t.test(
  'registrations that are in place already, from a copy that was interrupted, are no obstacle',
  { skip: noPostgres },
  async (t) => {
    const source = await fullFolder(t)
    const { environment } = await newDatabase(source)
    t.match(await migrate(t, ['database'], environment), { code: 0 })
    const folder = newFolder(t)
    writeFileSync(join(folder, 'services.json'), readFileSync(join(source, 'services.json')))
    t.match(await migrate(t, ['folder'], { ...environment, THREADPLANE_DATA: folder }), { code: 0 })
  },
)

t.test('a source that holds nothing replaces nothing', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const before = contentOf(t, folder)
  const { environment } = await newDatabase(folder)
  const empty = await migrate(t, ['folder', '--replace'], environment)
  t.match(empty, { code: 1, output: 'holds nothing: nothing was copied' })
  t.same(contentOf(t, folder), before)
  const missing = { ...environment, THREADPLANE_DATA: join(folder, 'missing') }
  t.match(await migrate(t, ['database'], missing), { code: 1, output: 'there is no jobs.sqlite in the data folder' })
  t.notOk(existsSync(join(folder, 'missing')))
})

t.test('a damaged record ends the copy, which names it', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const path = join(folder, 'jobs.sqlite')
  const { DatabaseSync } = await import('@photostructure/sqlite')
  const file = new DatabaseSync(path)
  file.exec(`UPDATE jobs SET state = 'lost' WHERE seq = 3`)
  file.close()
  const { environment, query } = await newDatabase(folder)
  t.match(await migrate(t, ['database'], environment), {
    code: 1,
    output: /the record of the job .* \(number 3\) is damaged/,
  })
  t.match(await query('SELECT count(*)::int AS jobs FROM $schema.jobs'), [{ jobs: 0 }])
})

t.test(
  'the memory does not grow with the jobs: 90 MB of payloads pass a heap of 48 MB',
  { skip: noPostgres },
  async (t) => {
    const made = newFolder(t)
    const journal = new LocalJournal(join(made, 'jobs.sqlite'))
    const payload = JSON.stringify('x'.repeat(1_500_000))
    for (let count = 0; count < 60; count += 1) await journal.accept([request({ payload })])
    await journal.accept(Array.from({ length: 2_500 }, () => request()))
    await journal.close()
    const folder = newFolder(t)
    cpSync(made, folder, { recursive: true })
    const { environment } = await newDatabase(folder)
    const small = { ...environment, NODE_OPTIONS: '--max-old-space-size=48' }
    t.match(await migrate(t, ['database'], small), { code: 0, output: '2560 jobs' })
    const back = { ...small, THREADPLANE_DATA: newFolder(t) }
    t.match(await migrate(t, ['folder'], back), { code: 0, output: '2560 jobs' })
    t.same(contentOf(t, back.THREADPLANE_DATA).jobs, contentOf(t, folder).jobs)
  },
)

t.test('each table of both sides is copied, or is said not to be', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const { environment, schema, query } = await newDatabase(folder)
  t.match(await migrate(t, ['database'], environment), { code: 0 })
  const inDatabase = await query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${schema}'`,
  )
  t.same(
    Object.keys(contentOf(t, folder)).sort(),
    [...TABLES.map(({ journal }) => journal), ...NOT_COPIED.journal].sort(),
  )
  t.same(
    inDatabase.map(({ name }) => name).sort(),
    [...TABLES.map(({ database }) => database), ...NOT_COPIED.database].sort(),
  )
})

t.test('without a direction or a database the command says what is missing', async (t) => {
  const without = { THREADPLANE_DATA: newFolder(t) }
  t.match(await migrate(t, ['elsewhere'], without), { code: 2, output: 'threadplane migrate --to database' })
  t.match(await migrate(t, ['database'], without), { code: 1, output: 'THREADPLANE_DATABASE_URL is not set' })
  t.match(await migrate(t, ['folder', '--help'], without), { code: 0, output: 'threadplane migrate --to folder' })
  const wrong = { ...without, THREADPLANE_DATABASE_URL: 'postgres://u@127.0.0.1:1/none' }
  t.match(await migrate(t, ['folder'], wrong), {
    code: 1,
    output: 'the database of THREADPLANE_DATABASE_URL cannot be used',
  })
})
