/** A method refuses a request with a `MethodProblem`; other errors are shown with the errors that they contain. */
import t from 'tap'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { refuses: 'refuses' } })
await server.reaches('refuses', 'running')

t.test('a MethodProblem is answered with its status, its code as the reason, and its declared title', async (t) => {
  const missing = await server.call('refuses', 'find')
  t.equal(missing.status, 404)
  t.match(missing.json, {
    type: 'urn:threadplane:problem:method-refused',
    title: 'No such document',
    status: 404,
    detail: 'no document 7',
    code: 'METHOD_REFUSED',
    reason: 'DOCUMENT_NOT_FOUND',
    retryable: false,
    started: true,
    service: 'refuses',
    method: 'find',
  })
  t.equal(missing.headers['retry-after'], undefined)
  const teapot = await server.call('refuses', 'plain')
  t.match(teapot, { status: 418, json: { status: 418, code: 'METHOD_REFUSED', detail: 'it is a teapot' } })
  t.notOk('reason' in teapot.json)
  t.notOk('error' in teapot.json)
})

t.test('429 is retryable and has Retry-After; refused parts are listed', async (t) => {
  const throttled = await server.call('refuses', 'throttled')
  t.match(throttled, { status: 429, headers: { 'retry-after': '7' }, json: { retryable: true } })
  const badPart = await server.call('refuses', 'badPart')
  t.match(badPart, {
    status: 422,
    json: { reason: 'BAD_IMAGE', errors: [{ pointer: '/image', message: 'not a PNG' }] },
  })
})

t.test('the problem of another copy of the package counts, and one with a wrong status is a failure', async (t) => {
  t.match(await server.call('refuses', 'otherCopy'), { status: 409, json: { code: 'METHOD_REFUSED' } })
  const wrong = await server.call('refuses', 'wrongStatus')
  isProblem(t, wrong, 'METHOD_FAILED', {
    detail: /^TypeError: MethodProblem: status: expected a status from 400 to 499/,
  })
  isProblem(t, await server.call('refuses', 'changedStatus'), 'METHOD_FAILED', {
    detail: 'MethodProblem: changed',
    retryable: false,
  })
})

t.test('a cast that is refused has failed, and is retried only if the problem says so', async (t) => {
  const { json: refused } = await server.cast('refuses', 'find')
  t.match(await server.finished(refused.id), {
    state: 'failed',
    attempts: 1,
    error: {
      code: 'METHOD_REFUSED',
      reason: 'DOCUMENT_NOT_FOUND',
      status: 404,
      message: 'no document 7',
      retryable: false,
    },
  })
  const { json: throttled } = await server.cast('refuses', 'throttledOnce')
  t.match(await server.finished(throttled.id), { state: 'succeeded', attempts: 2 })
})

t.test('a call that is kept as a job is answered as any other call', async (t) => {
  const headers = { 'idempotency-key': '"kept"' }
  t.match(await server.call('refuses', 'find', {}, { headers }), {
    status: 404,
    json: { code: 'METHOD_REFUSED', reason: 'DOCUMENT_NOT_FOUND', detail: 'no document 7' },
  })
})

t.test('errors inside an error are shown, on a call and on a job, and no detail is empty', async (t) => {
  const inner = {
    name: 'AggregateError',
    errors: [
      { name: 'Error', message: 'the first mirror is down', cause: { name: 'TypeError', message: 'no route' } },
      { name: 'RangeError', message: 'the second is slow' },
    ],
  }
  const detail = 'AggregateError: Error: the first mirror is down; RangeError: the second is slow'
  const failed = await server.call('refuses', 'several')
  isProblem(t, failed, 'METHOD_FAILED', { detail, error: inner })
  t.notMatch(JSON.stringify(failed.json), /"stack"/)
  const { json: cast } = await server.cast('refuses', 'several')
  t.match(await server.finished(cast.id), { error: { code: 'METHOD_FAILED', message: detail, cause: inner } })
  isProblem(t, await server.call('refuses', 'silent'), 'METHOD_FAILED', { detail: 'TypeError without a message' })
})

t.test('the number of causes is limited', async (t) => {
  const { json } = await server.call('refuses', 'deep')
  let depth = 0
  for (let { error } = json; error.cause !== undefined; error = error.cause) depth += 1
  t.equal(depth, 8)
})

t.test('the OpenAPI document shows declared problems', async (t) => {
  const { json } = await server.get('/openapi.json')
  const { responses } = json.paths['/v1/services/refuses/call/find'].post
  t.match(responses[404].description, /METHOD_REFUSED, DOCUMENT_NOT_FOUND: No such document/)
  const [refusal] = responses[404].content['application/problem+json'].schema.anyOf
  t.match(refusal.properties, { code: { const: 'METHOD_REFUSED' }, reason: { enum: ['DOCUMENT_NOT_FOUND'] } })
  t.match(responses[410].content['application/problem+json'].schema.properties, { reason: { enum: ['GONE'] } })
})
