/** The client against a real server: calls, casts, streams, bytes, errors, deadlines, retries. */
import t, { type Test } from 'tap'
import { createClient, type Fetch, JobFailedError, type LogLine, PlaneError } from '../../src/client/index.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { becomes, openGate, serve } from '../http-helper.ts'
import type bytes from '../http-fixtures/bytes.ts'
import type echo from '../http-fixtures/echo.ts'
import type gate from '../http-fixtures/gate.ts'
import type streams from '../http-fixtures/streams.ts'
import { CuttingProxy } from './cutting-proxy.ts'

const rig = new TokensRig(t)
const token = await rig.add('all', ['admin'])
const server = await serve(t, {
  services: { bytes: 'bytes', echo: 'echo', gate: 'gate', refuses: 'refuses', streams: 'streams' },
  tokens: await rig.open(),
})
const url = `http://127.0.0.1:${server.port}/`
const plane = createClient({ url, token })

/** A `fetch` that notes the path of each request. */
function noting(paths: string[]): Fetch {
  return (url, init) => {
    paths.push(`${init.method} ${new URL(url).pathname}`)
    return fetch(url, init)
  }
}

async function rejects(t: Test, promise: Promise<unknown>, expected: Partial<PlaneError>): Promise<PlaneError> {
  const error = await promise.then(
    () => t.fail('it succeeds') as never,
    (thrown: unknown) => thrown as PlaneError,
  )
  t.ok(error instanceof PlaneError, String(error))
  t.match(error, expected)
  return error
}

t.test('a call returns the result', async (t) => {
  const { call } = plane.service<typeof echo>('echo')
  t.equal(await call.byName({ name: 'a', times: 3 }), 'aaa')
  t.equal(await call.byPosition([5, 3]), 2)
  t.strictSame(await call.any(), {})
  t.equal(await call.nothing(), null)
  t.equal(await call.any('text', { idempotencyKey: 'one key' }), 'text')
  t.equal(await call.any('text', { idempotencyKey: 'one key' }), 'text')
})

t.test('an error has what the problem document says', async (t) => {
  const refused = plane.service<typeof echo>('echo').call.byName({ name: 1 as never })
  const errors = [{ pointer: '/name', message: String }] as never
  await rejects(t, refused, { status: 422, code: 'VALIDATION_FAILED', retryable: false, errors })
  const refuses = plane.service('refuses')
  const reason = 'DOCUMENT_NOT_FOUND'
  const found = refuses.call['find']?.() as Promise<unknown>
  await rejects(t, found, { status: 404, code: 'METHOD_REFUSED', reason, started: true, detail: 'no document 7' })
  const wrongToken = createClient({ url, token: 'wrong' }).request('GET', '/v1/services')
  await rejects(t, wrongToken, { status: 401, code: 'UNAUTHORIZED' })
  await rejects(t, plane.request('GET', '/docs/static/index.html'), { code: 'INVALID_ANSWER' })
})

t.test('what the options cannot be is refused at once', async (t) => {
  t.throws(() => createClient({ url: 'not a URL' }), TypeError)
  t.throws(() => createClient({ url: 'ftp://a.example' }), { message: /must begin with http/ })
  t.throws(() => createClient({ retries: -1 }), RangeError)
  t.throws(() => createClient({ timeoutMs: 0 }), { message: /timeoutMs is 0/ })
  await t.rejects(plane.request('GET', '/v1/services', { timeoutMs: Number.NaN }), RangeError)
  const paths: string[] = []
  const withToken = (token: string) => createClient({ url, token, fetch: noting(paths) }).request('GET', '/v1/services')
  for (const wrong of ['with a €', 'with a\nline']) await t.rejects(withToken(wrong), TypeError)
  t.strictSame(paths, [], 'no header can have such a token: nothing is sent')
  await withToken(`${token}\n`)
})

t.test('bytes go and come as they are', async (t) => {
  const { call } = plane.service<typeof bytes>('bytes')
  const image = new Uint8Array([0, 1, 255])
  t.strictSame(await call.invert(image, { contentType: 'image/png' }), new Uint8Array([255, 254, 0]))
  t.equal(await call.type(image), 'application/octet-stream')
  const { body } = new Response(image)
  t.strictSame(await call.same(body as ReadableStream<Uint8Array>), image)
  const request = { body: image, headers: { 'content-type': 'image/png' } }
  const answer = await plane.fetch('POST', '/v1/services/bytes/call/invert', request)
  t.equal(answer.headers.get('content-type'), 'image/png')
  t.equal((await answer.arrayBuffer()).byteLength, 3)
})

t.test('the items of a stream come one after the other, and an error after them is thrown', async (t) => {
  const { call } = plane.service<typeof streams>('streams')
  const seen: number[] = []
  for await (const { n } of call.count({ to: 3 })) seen.push(n)
  t.strictSame(seen, [1, 2, 3])
  const failing = async (last: 'throw' | 'exit') => {
    for await (const { n } of await call.count({ to: 2, last })) seen.push(n)
  }
  await rejects(t, failing('throw'), { code: 'METHOD_FAILED', error: { name: 'RangeError', message: 'no more' } })
  await rejects(t, failing('exit'), { code: 'THREAD_DIED', started: true })
  t.strictSame(seen, [1, 2, 3, 1, 2, 1, 2])
  await rejects(t, Promise.resolve(call.count({ to: 'many' as never })), { code: 'VALIDATION_FAILED' })
})

t.test('who leaves a stream ends its method', async (t) => {
  const returned = server.logs.line('returned', {}, server.logs.lines('returned').length + 1)
  for await (const { n } of plane.service<typeof streams>('streams').call.count({ to: 1, last: 'hold' })) {
    t.equal(n, 1)
    break
  }
  await returned
})

t.test('a stream that is cut is an error, not an end', async (t) => {
  const proxy = await CuttingProxy.listen(t, server.port)
  const { call } = createClient({ url: proxy.url, token }).service<typeof streams>('streams')
  const items = call.large()[Symbol.asyncIterator]()
  await items.next()
  proxy.cuts = () => true
  const rest = async () => {
    while (!(await items.next()).done);
  }
  await rejects(t, rest(), { status: 0, code: 'CONNECTION_LOST', retryable: true })
})

t.test('timeoutMs bounds a call, of which the server is told; so does the signal', async (t) => {
  const { call } = plane.service<typeof gate>('gate')
  const told: string[] = []
  const noted: Fetch = (url, init) => {
    told.push(new Headers(init.headers).get('request-timeout') ?? 'nothing')
    return fetch(url, init)
  }
  const late = createClient({ url, token, fetch: noted }).service<typeof gate>('gate').call
  // On a busy machine the answer of the server may come too late.
  const code = /^(DEADLINE_EXCEEDED|TIMED_OUT)$/ as unknown as 'TIMED_OUT'
  await rejects(t, late.hold({ token: 'late' }, { timeoutMs: 1_000 }), { code, retryable: true })
  t.equal(told.length, 1, 'it is not sent again')
  t.ok(Number.parseInt(told[0] ?? '', 10) <= 800, `the server was told less than what is left: ${told[0]}`)
  const aborted = new AbortController()
  const held = call.hold({ token: 'aborted' }, { signal: aborted.signal })
  await server.logs.line('begun', { token: 'aborted' })
  const reason = new Error('no longer needed')
  aborted.abort(reason)
  await t.rejects(held, reason)
  await server.logs.line('aborted', { token: 'aborted' })
})

t.test('a server that does not answer at all is given up at the deadline', async (t) => {
  const proxy = await CuttingProxy.listen(t, server.port)
  const silent: Fetch = (_url, init) => fetch(`${proxy.url}/v1/events`, init)
  const hung = createClient({ url, token, fetch: silent }).request('GET', '/v1/services', { timeoutMs: 100 })
  await rejects(t, hung, { status: 0, code: 'TIMED_OUT', retryable: true })
})

t.test('a job is followed to its result', async (t) => {
  const { cast } = plane.service<typeof gate>('gate')
  const job = await cast.progress({ token: 'job' }, { priority: 7, maxAttempts: 2 })
  t.match(await job.status(), { id: job.id, priority: 7, maxAttempts: 2 })
  const fractions: number[] = []
  for await (const { fraction, note, state } of job.progress()) {
    fractions.push(fraction)
    if (note === 'half' && state === 'running') openGate('job')
  }
  t.strictSame(fractions.slice(-2), [0.5, 1])
  t.equal(await job.result(), null)
  t.equal(await plane.job(job.id).result(), null)
  const lines: LogLine[] = []
  for await (const line of job.logs()) lines.push(line)
  t.match(lines, [{ msg: 'begun', service: 'gate', jobId: job.id, token: 'job' }])
})

t.test('a job that has not succeeded is an error with its history; one that lasts too', async (t) => {
  const refuses = plane.service('refuses')
  const failed = (await refuses.cast['throttledOnce']?.()) as Awaited<ReturnType<NonNullable<typeof refuses.cast.a>>>
  t.equal(await failed.result(), 'done')
  const job = (await refuses.cast['find']?.()) as typeof failed
  const error = await rejects(t, job.result(), { code: 'METHOD_REFUSED', status: 404, jobId: job.id, started: true })
  t.ok(error instanceof JobFailedError)
  t.match(error, { history: [{ number: 1, error: { reason: 'DOCUMENT_NOT_FOUND' } }], job: { state: 'failed' } })
  const later = await plane.service<typeof gate>('gate').cast.nap({}, { delayMs: 3_600_000 })
  await rejects(t, later.result({ timeoutMs: 50 }), { code: 'TIMED_OUT' })
  const now = await plane.service<typeof gate>('gate').cast.nap({}, { delayMs: 3_600_000 })
  t.match(await now.runNow(), { id: now.id, state: 'queued' })
  await now.result()
  t.match(await later.cancel(), { state: 'cancelled' })
  await rejects(t, later.result(), { name: 'JobFailedError', code: 'JOB_CANCELLED' })
  t.match((await later.retry()).state, /scheduled|queued|running|succeeded/)
  await rejects(t, plane.job('0').result(), { code: 'JOB_NOT_FOUND', status: 404 })
})

t.test('casts with one key are one job, those without are as many as there are casts', async (t) => {
  const { cast } = plane.service<typeof echo>('echo')
  const ids = async (idempotencyKey?: string) => {
    const jobs = await Promise.all([1, 1].map((payload) => cast.any(payload, { idempotencyKey })))
    return new Set(jobs.map(({ id }) => id)).size
  }
  t.equal(await ids('key'), 1)
  t.equal(await ids(), 2)
})

t.test('a quota that is used up is waited for', async (t) => {
  const slow = await rig.add('slow', ['read'], { rate: { requests: 1, perSeconds: 1 } })
  await rig.seen(1)
  const statuses: number[] = []
  const noted: Fetch = async (url, init) => {
    const response = await fetch(url, init)
    statuses.push(response.status)
    return response
  }
  const client = createClient({ url, token: slow, fetch: noted })
  // On a busy machine each request may come after the wait.
  while (!statuses.includes(429)) await client.request('GET', '/v1/services')
  t.equal(statuses.at(-1), 200)
  while (statuses.at(-1) === 200) {
    const answer = client.request('GET', '/v1/services', { retry: false })
    await answer.catch((error: unknown) => t.match(error, { code: 'QUOTA_EXCEEDED', status: 429, retryAfterMs: 1_000 }))
  }
})

t.test('a wait that would last longer than the deadline is not begun', async (t) => {
  await plane.request('POST', '/v1/services/echo/pause')
  const paths: string[] = []
  const client = createClient({ url, token, fetch: noting(paths) }).service<typeof echo>('echo')
  const error = await rejects(t, client.call.any(1, { timeoutMs: 900 }), { status: 503, code: 'SERVICE_NOT_RUNNING' })
  t.ok((error.retryAfterMs ?? 0) >= 1_000)
  t.strictSame(paths, ['POST /v1/services/echo/call/any'])
  await plane.request('POST', '/v1/services/echo/resume')
})

t.test('a server that closes sends a call to another one, and answers those that it has begun', async (t) => {
  const [closing, other] = [
    await serve(t, { services: { gate: 'gate' } }),
    await serve(t, { services: { gate: 'gate' } }),
  ]
  const answers: [port: number, status: number][] = []
  // A balancer that takes a server out when it says that it closes.
  const balanced: Fetch = async (url, init) => {
    const { port } = answers.some(([, status]) => status === 503) ? other : closing
    const response = await fetch(Object.assign(new URL(url), { port }), init)
    answers.push([port, response.status])
    // It waits for its calls, and not for ever.
    openGate('begun before the end')
    return response
  }
  const { call } = createClient({ url: 'http://127.0.0.1', fetch: balanced }).service<typeof gate>('gate')
  const begun = call.hold({ token: 'begun before the end' })
  await closing.logs.line('begun', { token: 'begun before the end' })
  const closed = closing.close()
  await becomes('the server to close', () => closing.server.registry.closing)
  openGate('sent to the other')
  t.equal(await call.hold({ token: 'sent to the other' }), 'sent to the other')
  t.equal(await begun, 'begun before the end')
  t.strictSame(
    answers.filter(([port, status]) => port === other.port || status !== 200),
    [
      [closing.port, 503],
      [other.port, 200],
    ],
  )
  await closed
})

t.test('retryIf says which errors are worth another try', async (t) => {
  const paths: string[] = []
  const asked: string[] = []
  const retryIf = ({ code }: PlaneError) => {
    asked.push(code)
    return false
  }
  await plane.request('POST', '/v1/services/gate/pause')
  const once = createClient({ url, token, fetch: noting(paths), retryIf })
  await rejects(t, once.service<typeof gate>('gate').call.nap(), { code: 'SERVICE_NOT_RUNNING' })
  t.strictSame([asked, paths], [['SERVICE_NOT_RUNNING'], ['POST /v1/services/gate/call/nap']])
  await plane.request('POST', '/v1/services/gate/resume')
})

t.test('an answer that is lost: a read and a cast are sent again, a call is not, unless it may be', async (t) => {
  const proxy = await CuttingProxy.listen(t, server.port)
  const paths: string[] = []
  const client = createClient({ url: proxy.url, token, fetch: noting(paths) })
  const { call, cast } = client.service<typeof echo>('echo')
  const cutOnce = () => {
    let left = 1
    proxy.cuts = () => left-- > 0
    paths.length = 0
  }
  const before = ((await plane.request('GET', '/v1/jobs/counts')) as { total: object }).total
  cutOnce()
  await client.request('GET', '/v1/services')
  t.equal(paths.length, 2)
  cutOnce()
  const job = await cast.any('kept')
  t.equal(paths.length, 2)
  t.equal(await job.result(), 'kept')
  const after = ((await plane.request('GET', '/v1/jobs/counts')) as { total: object }).total
  t.equal(sum(after), sum(before) + 1, 'there is one job')
  cutOnce()
  await rejects(t, call.any(1), { status: 0, code: 'CONNECTION_LOST' })
  t.equal(paths.length, 1)
  cutOnce()
  t.equal(await call.any(1, { idempotent: true }), 1)
  t.equal(paths.length, 2)
})

t.test('events and lines of the log come until the signal fires', async (t) => {
  const ended = new AbortController()
  const types: string[] = []
  for await (const event of plane.events({ type: ['service.*'], service: ['echo'], signal: ended.signal })) {
    types.push(event.type)
    if (event.type === 'hello') await plane.request('POST', '/v1/services/echo/pause')
    if (event.type === 'service.state' && event.state === 'paused') ended.abort()
  }
  t.strictSame(types, ['hello', 'service.state'])
  await plane.request('POST', '/v1/services/echo/resume')

  const hold = (token: string) => {
    openGate(token)
    return plane.service<typeof gate>('gate').call.hold({ token })
  }
  await hold('followed 1')
  const followed = new AbortController()
  const tokens: unknown[] = []
  for await (const line of plane.logs({ service: 'gate', follow: true, search: 'followed', signal: followed.signal })) {
    tokens.push('msg' in line && line['token'])
    if (tokens.length === 2) followed.abort()
    else await hold('followed 2')
  }
  t.strictSame(tokens, ['followed 1', 'followed 2'])
  await rejects(t, plane.events({ type: ['nonsense'] }).next(), { code: 'MALFORMED_QUERY', status: 400 })
})

function sum(counts: object): number {
  return Object.values(counts).reduce((total: number, count) => total + (count as number), 0)
}
