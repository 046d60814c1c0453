/**
 * What an earlier server has stored, and this one cannot use, stops no start and no other job or service. It is logged, and
 * can be seen and deleted.
 */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { isProblem, serve, type TestServer } from '../http-helper.ts'

/** Runs SQL on the journal of a server that has closed. */
function damage(server: TestServer, sql: string): void {
  const db = new DatabaseSync(join(server.folder, 'data', 'jobs.sqlite'))
  db.exec(sql)
  db.close()
}

t.test('damaged records of jobs are shown as failed and can be deleted, and the other jobs run', async (t) => {
  const first = await serve(t, { services: { echo: 'echo' } })
  const cast = async (payload: unknown, query = '') =>
    (await first.cast('echo', 'any', payload, query)).json.id as string
  const [history, error, result, state, time] = [
    await cast(1),
    await cast(2),
    await cast(3),
    await cast(4),
    await cast(5),
  ]
  for (const id of [history, error, result, state, time]) await first.finished(id)
  await first.post('/v1/services/echo/stop')
  const [unreadable, missing, running, good] = [
    await cast(6, '?maxAttempts=1'),
    await cast(7, '?maxAttempts=1'),
    await cast(8),
    await cast(9),
  ]
  await first.close()
  damage(
    first,
    `UPDATE jobs SET history = '{"cut' WHERE id IN ('${history}', '${good}');
    UPDATE jobs SET state = 'failed', result = NULL, error = '{"cut' WHERE id = '${error}';
    UPDATE jobs SET result = '[1' WHERE id = '${result}';
    UPDATE jobs SET state = 'bogus' WHERE id = '${state}';
    UPDATE jobs SET createdAt = 9000000000000000000 WHERE id = '${time}';
    UPDATE jobs SET state = 'running', attempts = 1, begunAt = 1, history = 'x' WHERE id = '${running}';
    UPDATE payloads SET payload = '{"cut' WHERE seq = (SELECT seq FROM jobs WHERE id = '${unreadable}');
    DELETE FROM payloads WHERE seq = (SELECT seq FROM jobs WHERE id = '${missing}');`,
  )
  const second = await serve(t, { services: {}, folder: first.folder })
  await second.post('/v1/services/echo/start')
  t.match(await second.finished(good), { state: 'succeeded', result: 9 })
  t.match(await second.finished(running), { state: 'succeeded', result: 8 })
  for (const id of [unreadable, missing])
    t.match(await second.finished(id), { state: 'failed', error: { message: /./ } })
  const list = await second.get('/v1/jobs')
  t.equal(list.status, 200)
  t.equal(list.json.items.length, 9)
  t.match((await second.get(`/v1/jobs/${history}`)).json, { state: 'succeeded', result: 1 })
  for (const id of [error, result, state, time]) {
    const { status, json } = await second.get(`/v1/jobs/${id}`)
    t.equal(status, 200)
    t.match(json.error, { code: 'INTERNAL', message: /damaged/ })
    t.equal((await second.delete(`/v1/jobs/${id}`)).status, 204)
    isProblem(t, await second.get(`/v1/jobs/${id}`), 'JOB_NOT_FOUND')
  }
})
