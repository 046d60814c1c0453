/** `threadplane migrate` that is killed in the middle, or meets a server that starts. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { noPostgres } from '../cluster/postgres.ts'
import { serve } from '../http-helper.ts'
import { eventually } from '../sqlite/jobs.ts'
import { contentOf, fullFolder, migrate, newDatabase, newFolder, stoppedAt } from './rig.ts'

t.test('a server that starts during a copy waits, and then starts with all of it', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t)
  const { postgres, schema, environment } = await newDatabase(folder)
  const { command, goOn } = await stoppedAt(t, 'INSERT ON audit', ['--to', 'database'], environment)
  const node = newIdentity({ name: 'test', url: 'http://127.0.0.1:1', labels: {} })
  const starting = serve(t, { services: {}, database: { url: postgres.url, schema, node, allowUnsafe: true } })
  await eventually(async () => {
    const waiting = await postgres.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)
    return waiting.length > 1
  })
  await goOn()
  t.match(await command.ended(), { code: 0 })
  const { json } = await (await starting).get('/v1/jobs?limit=100')
  t.equal(json.items.length, 7)
})

t.test('a copy to a database that is killed leaves both as they were', { skip: noPostgres }, async (t) => {
  const folder = await fullFolder(t, { running: true })
  const before = contentOf(t, folder)
  const { environment, query } = await newDatabase(folder)
  const { command, goOn } = await stoppedAt(t, 'INSERT ON audit', ['--to', 'database'], environment)
  command.child.kill('SIGKILL')
  await command.ended()
  await goOn()
  t.same(contentOf(t, folder), before)
  t.match(await query('SELECT count(*)::int AS jobs FROM $schema.jobs'), [{ jobs: 0 }])
  t.match(await query('SELECT count(*)::int AS services FROM $schema.registrations'), [{ services: 0 }])
  t.match(await migrate(t, ['database'], environment), { code: 0 }, 'it can be given again')
})

t.test('a copy to a folder that is killed leaves both as they were', { skip: noPostgres }, async (t) => {
  const source = await fullFolder(t)
  const { environment, query } = await newDatabase(source)
  t.match(await migrate(t, ['database'], environment), { code: 0 })
  const folder = newFolder(t)
  const back = { ...environment, THREADPLANE_DATA: folder }
  const { command, goOn } = await stoppedAt(t, 'SELECT ON audit', ['--to', 'folder'], back)
  command.child.kill('SIGKILL')
  await command.ended()
  await goOn()
  t.match(contentOf(t, folder), { jobs: { length: 0 }, payloads: { length: 0 }, schedules: { length: 0 } })
  t.notOk(existsSync(join(folder, 'services.json')))
  t.match(await query('SELECT count(*)::int AS jobs FROM $schema.jobs'), [{ jobs: 7 }])
  t.match(await migrate(t, ['folder'], back), { code: 0 }, 'it can be given again')
  t.same(contentOf(t, folder), contentOf(t, source))
})
