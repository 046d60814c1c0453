/** Changes of many jobs at once. */
import t, { type Test } from 'tap'
import { isProblem, openGate, serve, type TestServer } from '../http-helper.ts'

async function castMany(t: Test, server: TestServer, path: string, payload: unknown, count: number): Promise<void> {
  const body = `${JSON.stringify(payload)}\n`.repeat(count)
  const { status } = await server.post(path, undefined, { body, headers: { 'content-type': 'application/x-ndjson' } })
  t.equal(status, 207)
}

async function count(server: TestServer, state: string): Promise<number> {
  return (await server.get('/v1/jobs/counts')).json.total[state]
}

async function fail(server: TestServer, method: string): Promise<string> {
  const { json } = await server.cast('fails', method, null, '?maxAttempts=1')
  await server.finished(json.id)
  return json.id
}

t.test('waiting jobs are cancelled, more than one transaction takes; a dry run changes nothing', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  await castMany(t, server, '/v1/services/gate/cast/nap?delayMs=3600000', {}, 1_100)
  await castMany(t, server, '/v1/services/gate/cast/hold?delayMs=3600000', { token: 'no' }, 3)
  const filter = { state: 'scheduled', method: 'nap' }
  const dry = await server.post('/v1/jobs/bulk', { action: 'cancel', filter, dryRun: true })
  t.strictSame(dry.json, { matched: 1_100, changed: 0, remaining: 1_100 })
  t.equal(await count(server, 'cancelled'), 0)
  const { status, json } = await server.post('/v1/jobs/bulk', { action: 'cancel', filter })
  t.equal(status, 200)
  t.strictSame(json, { matched: 1_100, changed: 1_100, remaining: 0 })
  t.equal(await count(server, 'cancelled'), 1_100)
  t.equal(await count(server, 'scheduled'), 3)
  const deleted = await server.post('/v1/jobs/bulk', { action: 'delete', filter: { state: 'cancelled' } })
  t.strictSame(deleted.json, { matched: 1_100, changed: 1_100, remaining: 0 })
  t.equal(await count(server, 'cancelled'), 0)
})

t.test('running jobs are cancelled, and queued ones that are handed to a thread already', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  for (let n = 0; n < 20; n += 1) await server.cast('gate', 'hold', { token: 'held' })
  await server.logs.line('begun', { token: 'held' })
  let cancelled = 0
  while (cancelled < 20) {
    for (const state of ['queued', 'running']) {
      const { json } = await server.post('/v1/jobs/bulk', { action: 'cancel', filter: { state } })
      cancelled += json.changed
    }
  }
  t.equal(await count(server, 'cancelled'), 20)
  openGate('held')
})

t.test('failed jobs of one error are retried, and only those of services that exist', async (t) => {
  const server = await serve(t, { services: { fails: 'fails', gone: 'fails' } })
  const kept = await fail(server, 'throwsText')
  const retried = [await fail(server, 'throws'), await fail(server, 'throws')]
  const { json: gone } = await server.cast('gone', 'throws', null, '?maxAttempts=1')
  await server.finished(gone.id)
  await server.delete('/v1/services/gone')
  await server.post('/v1/services/fails/pause')
  const { json: failures } = await server.get('/v1/failures?service=fails')
  const errorKey = failures.items.find(({ method }: { method: string }) => method === 'throws').key
  const filter = { state: 'failed', errorKey }
  const answer = await server.post('/v1/jobs/bulk', { action: 'retry', filter })
  t.strictSame(answer.json, { matched: 3, changed: 2, remaining: 1 }, 'the same error in two services')
  for (const id of retried) t.equal((await server.get(`/v1/jobs/${id}`)).json.state, 'queued')
  t.equal((await server.get(`/v1/jobs/${kept}`)).json.state, 'failed')
  t.equal((await server.get(`/v1/jobs/${gone.id}`)).json.state, 'failed')
  await server.post('/v1/services/fails/resume')
  for (const id of retried) t.match(await server.finished(id), { state: 'failed', attempts: 2 })
})

t.test('a job that is kept for its idempotency key is not deleted', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const path = '/v1/services/echo/cast/scalar'
  const { json: keyed } = await server.post(path, 1, { headers: { 'idempotency-key': '"k"' } })
  const { json: free } = await server.post(path, 2)
  for (const { id } of [keyed, free]) await server.finished(id)
  const { json } = await server.post('/v1/jobs/bulk', { action: 'delete', filter: { state: 'succeeded' } })
  t.strictSame(json, { matched: 2, changed: 1, remaining: 1 })
  t.equal((await server.get(`/v1/jobs/${keyed.id}`)).status, 200)
})

t.test('jobs that were accepted before a time', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const { json: first } = await server.cast('echo', 'scalar', 1)
  await server.finished(first.id)
  const filter = { state: 'succeeded', service: 'echo', before: first.createdAt }
  const none = await server.post('/v1/jobs/bulk', { action: 'delete', filter })
  t.strictSame(none.json, { matched: 0, changed: 0, remaining: 0 })
  const later = new Date(Date.parse(first.createdAt) + 1).toISOString()
  const one = await server.post('/v1/jobs/bulk', { action: 'delete', filter: { ...filter, before: later } })
  t.strictSame(one.json, { matched: 1, changed: 1, remaining: 0 })
})

t.test('what an action does not apply to is refused', async (t) => {
  const server = await serve(t, { services: {} })
  const refused = async (body: unknown, pointer: string) => {
    const answer = await server.post('/v1/jobs/bulk', body)
    isProblem(t, answer, 'VALIDATION_FAILED')
    t.match(answer.json.errors, [{ pointer }])
  }
  await refused({ action: 'retry', filter: { state: 'succeeded' } }, '/filter/state')
  await refused({ action: 'cancel', filter: { state: 'failed' } }, '/filter/state')
  await refused({ action: 'delete', filter: { state: 'running' } }, '/filter/state')
  await refused({ action: 'delete', filter: { state: 'expired', errorKey: 'a' } }, '/filter/errorKey')
  await refused({ action: 'delete', filter: { state: 'failed', before: 'yesterday' } }, '/filter/before')
  await refused({ action: 'delete', filter: {} }, '/filter/state')
})
