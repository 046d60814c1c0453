/** Operations on all jobs of a service: more jobs than one transaction takes, some of which run and end meanwhile. */
import t, { type Test } from 'tap'
import { becomes, isProblem, openGate, serve, type TestServer } from '../http-helper.ts'

const MANY = 600

async function castMany(t: Test, server: TestServer, path: string, payload: unknown): Promise<void> {
  const body = `${JSON.stringify(payload)}\n`.repeat(MANY)
  const { status } = await server.post(path, undefined, { body, headers: { 'content-type': 'application/x-ndjson' } })
  t.equal(status, 207)
}

async function countOf(server: TestServer, state: string): Promise<number> {
  let count = 0
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json } = await server.get(`/v1/jobs?limit=1000&state=${state}${cursor && `&cursor=${cursor}`}`)
    count += json.items.length
    cursor = json.nextCursor
  }
  return count
}

/** Waits until the service has failed this many jobs since its start, and all are on disk. */
async function allFailed(server: TestServer, times: number): Promise<void> {
  const { counts } = server.service('fails').counter
  const holds = async () => counts.failed >= times && (await countOf(server, 'failed')) > MANY
  await becomes(`${times} failures`, holds)
}

t.test(
  'deleting a service cancels all its jobs: waiting ones, running ones, and those that end meanwhile',
  async (t) => {
    const server = await serve(t, { services: { gate: 'gate' } })
    const { json: running } = await server.cast('gate', 'hold', { token: 'runs' })
    await server.logs.line('begun', { token: 'runs' })
    await castMany(t, server, '/v1/services/gate/cast/nap', {})
    await castMany(t, server, '/v1/services/gate/cast/hold?delayMs=3600000', { token: 'never' })
    isProblem(t, await server.delete('/v1/services/gate'), 'CONFLICT')

    const deleted = await server.delete('/v1/services/gate?cancelJobs=true')
    openGate('runs')
    t.equal(deleted.status, 204, deleted.text)
    t.match((await server.get(`/v1/jobs/${running.id}`)).json, { state: 'cancelled' })
    t.equal((await server.get('/v1/services/gate')).status, 404)
    const [cancelled, succeeded] = [await countOf(server, 'cancelled'), await countOf(server, 'succeeded')]
    t.equal(cancelled + succeeded, 2 * MANY + 1, 'each job has one outcome')
    t.ok(cancelled > MANY)
  },
)

t.test('retry-failed queues all failed jobs of a service, each with as many attempts as at first', async (t) => {
  const server = await serve(t, { services: { fails: 'fails' } })
  const { json } = await server.cast('fails', 'throws')
  t.match(await server.finished(json.id), { state: 'failed', attempts: 3 })
  await castMany(t, server, '/v1/services/fails/cast/notRetryable', {})
  await allFailed(server, MANY + 1)
  await server.post('/v1/services/fails/stop')
  t.match(await server.post('/v1/services/fails/retry-failed'), { status: 200, json: { retried: MANY + 1 } })
  t.equal(await countOf(server, 'queued'), MANY + 1)
  await server.post('/v1/services/fails/start')
  await allFailed(server, 2 * (MANY + 1))
  t.match((await server.get(`/v1/jobs/${json.id}`)).json, { state: 'failed', attempts: 6, maxAttempts: 6 })
})

t.test('a job of a deleted service is not retried', async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const { json } = await server.cast('gate', 'nap', {}, '?delayMs=3600000')
  t.equal((await server.delete('/v1/services/gate?cancelJobs=true')).status, 204)
  isProblem(t, await server.post(`/v1/jobs/${json.id}/retry`), 'SERVICE_NOT_FOUND')
  t.match((await server.get(`/v1/jobs/${json.id}`)).json, { state: 'cancelled' })
})

t.test(
  'a page continues after the last job of the page before, also if that job is deleted; a wrong cursor is refused',
  async (t) => {
    const server = await serve(t, { services: { gate: 'gate' } })
    await server.post('/v1/services/gate/pause')
    const ids: string[] = []
    for (let n = 0; n < 4; n += 1) ids.unshift((await server.cast('gate', 'nap', {})).json.id)
    const page = (await server.get('/v1/jobs?limit=2')).json
    t.same(
      page.items.map(({ id }: { id: string }) => id),
      ids.slice(0, 2),
    )
    await server.post(`/v1/jobs/${ids[1]}/cancel`)
    t.equal((await server.delete(`/v1/jobs/${ids[1]}`)).status, 204)
    const next = (await server.get(`/v1/jobs?limit=2&cursor=${page.nextCursor}`)).json
    t.same(
      next.items.map(({ id }: { id: string }) => id),
      ids.slice(2),
    )
    for (const cursor of ['garbage', '', '-1']) {
      isProblem(t, await server.get(`/v1/jobs?cursor=${cursor}`), 'MALFORMED_QUERY', { detail: /cursor/ })
    }
  },
)

t.test('the answer to a batch has a limit, however long the URL and the errors of its lines are', async (t) => {
  const server = await serve(t, { services: { measures: 'measures' } })
  const headers = { 'content-type': 'application/x-ndjson' }
  const wrong = JSON.stringify(new Array(40).fill('x'))
  const path = (query: string) => `/v1/services/measures/cast/numbers?delayMs=3600000${query}`
  const ofBatch = async (lines: string[], query = '') => {
    const { status, json, bytes } = await server.post(path(query), undefined, { body: lines.join('\n'), headers })
    t.equal(status, 207)
    t.equal(json.items.length, lines.length)
    return { items: json.items, length: bytes.length }
  }

  const few = await ofBatch([wrong, '[1]', '{'])
  t.match(few.items, [
    { status: 422, problem: { instance: path(''), errors: { length: 40 } } },
    { status: 202, job: { state: 'scheduled' } },
    { status: 400, problem: { code: 'MALFORMED_BODY', instance: path('') } },
  ])

  const longUrl = '&'.repeat(15_000)
  for (const [lines, query] of [
    [new Array(4_999).fill('{'), longUrl],
    [new Array(4_999).fill(wrong), ''],
    [new Array(4_999).fill(wrong), longUrl],
  ] as const) {
    const { items, length } = await ofBatch([...lines, '[1]'], query)
    t.ok(length < 16 * 2 ** 20, `${length} bytes`)
    t.match(items[0].problem.instance, /^\/v1\/services\/measures\/cast\/numbers/)
    t.equal(items[0].problem.errors?.length, lines[0] === wrong ? 40 : undefined)
    const { status, problem } = items.at(-2)
    t.strictSame([status, problem.status, problem.errors], [items[0].status, status, undefined])
    if (lines[0] === wrong) t.match(problem.detail, /send the line again alone/)
    t.match(items.at(-1), { status: 202, job: { state: 'scheduled' } }, 'the lines that are right are accepted')
  }
  t.equal(await countOf(server, 'scheduled'), 4)
})
