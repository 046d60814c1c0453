/** The plugin in an application of somebody else, on a real socket: what is below the prefix, and what is beside it. */
import cookie from '@fastify/cookie'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { threadplane, type ThreadplaneOptions } from '../../src/server/plugin.ts'
import { becomes, isProblem, Logs, openGate, request, type RequestOptions, within } from '../http-helper.ts'

const folder = mkdtempSync(fileURLToPath(new URL('../http-embedded-', import.meta.url)))
const services = join(folder, 'services')
mkdirSync(services)
for (const name of ['echo', 'gate']) {
  copyFileSync(new URL(`../http-fixtures/${name}.js`, import.meta.url), join(services, `${name}.js`))
}
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const logs = new Logs()

/** An application with an own route, error handler, 404, parser and hook, and with the plugin beside them. */
async function host(more: Partial<ThreadplaneOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(cookie)
  app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ own: error.message }))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ own: 'not here' }))
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_request, body, done) =>
    done(null, (body as string).split(',')),
  )
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('x-own', 'yes')
    done()
  })
  await app.register(threadplane, {
    prefix: '/plane',
    services,
    data: join(folder, 'data'),
    log: logs.logger,
    ...more,
  })
  app.post('/own', async ({ body, query }) => {
    if ((query as { fails?: string }).fails !== undefined) throw new Error('own fault')
    return { body }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

let app = await host()
t.teardown(() => app.close())

const send = (method: string, path: string, options?: RequestOptions) =>
  request((app.server.address() as AddressInfo).port, method, path, options)
const call = (service: string, method: string, json: unknown) =>
  send('POST', `/plane/v1/services/${service}/call/${method}`, { json })

t.test('what is outside of the prefix is as it was', async (t) => {
  const csv = { body: 'a,b', headers: { 'content-type': 'text/csv' } }
  t.match(await send('POST', '/own', csv), { status: 200, json: { body: ['a', 'b'] } })
  t.match(await send('POST', '/own', { json: { a: 1 } }), { status: 200, json: { body: { a: 1 } } })
  t.match(await send('POST', '/own?fails', { json: {} }), { status: 418, json: { own: 'own fault' } })
  t.match(await send('POST', '/own', { body: '{', headers: { 'content-type': 'application/json' } }), { status: 418 })
  for (const path of ['/nowhere', '/v1/services', '/livez', '/planet']) {
    t.match(await send('GET', path), { status: 404, json: { own: 'not here' } }, path)
  }
  const foreign = await send('POST', '/own', { json: {}, headers: { host: 'evil.example' } })
  t.match(foreign, { status: 200, headers: { 'x-content-type-options': undefined } })
})

t.test('calls run, and links have the prefix', async (t) => {
  t.match(await call('echo', 'any', { a: 1 }), { status: 200, json: { a: 1 }, headers: { 'x-own': 'yes' } })
  const cast = await send('POST', '/plane/v1/services/echo/cast/any', { json: { b: 2 } })
  t.match(cast, { status: 202, headers: { location: `/plane/v1/jobs/${cast.json.id}` } })
  const job = await send('GET', cast.headers.location as string, { headers: { prefer: 'wait=30' } })
  t.match(job.json, { state: 'succeeded', result: { b: 2 } })
  const later = { json: {}, headers: { prefer: 'respond-async' } }
  const async = await send('POST', '/plane/v1/services/echo/call/any', later)
  t.match(async, { status: 202, headers: { location: `/plane/v1/jobs/${async.json.id}` } })
  t.match(await send('GET', '/plane/'), { status: 200, headers: { 'content-type': /^text\/html/ } }, 'the page')
  const list = await send('GET', '/plane/v1/services')
  t.type(list.headers['event-cursor'], 'string')
})

t.test('every error below the prefix is a problem document', async (t) => {
  isProblem(t, await send('GET', '/plane/nowhere'), 'ROUTE_NOT_FOUND', { instance: '/plane/nowhere' })
  isProblem(t, await send('DELETE', '/plane/v1/services'), 'METHOD_NOT_ALLOWED')
  for (const path of ['services/echo/cast/any?delayMs=0x10', 'jobs?limit=1e1']) {
    const method = path.startsWith('jobs') ? 'GET' : 'POST'
    isProblem(t, await send(method, `/plane/v1/${path}`), 'MALFORMED_QUERY')
  }
  isProblem(t, await call('echo', 'byName', { name: 5 }), 'VALIDATION_FAILED', {
    instance: '/plane/v1/services/echo/call/byName',
  })
  isProblem(t, await call('nobody', 'any', {}), 'SERVICE_NOT_FOUND')
  const csv = { body: 'a,b', headers: { 'content-type': 'text/csv' } }
  isProblem(t, await send('POST', '/plane/v1/services/echo/call/any', csv), 'UNSUPPORTED_MEDIA_TYPE')
  const large = { json: { module: 'x'.repeat(300 * 1024) } }
  isProblem(t, await send('PUT', '/plane/v1/services/large', large), 'PAYLOAD_TOO_LARGE')
  isProblem(t, await send('PUT', '/plane/v1/services/wrong', { json: { threads: '2' } }), 'VALIDATION_FAILED')
})

t.test('a foreign web page is refused below the prefix, but not by the probes', async (t) => {
  const headers = { host: 'evil.example' }
  isProblem(t, await send('GET', '/plane/v1/services', { headers }), 'FORBIDDEN')
  t.match(await send('GET', '/plane/livez', { headers }), { status: 200 })
})

t.test('the OpenAPI document has the paths with the prefix, also those of methods', async (t) => {
  const { json } = await send('GET', '/plane/openapi.json')
  const paths = Object.keys(json.paths as object)
  t.ok(paths.includes('/plane/v1/services/echo/call/byName'))
  t.ok(paths.includes('/plane/v1/jobs/{id}'))
  t.same(
    paths.filter((path) => !path.startsWith('/plane/')),
    [],
  )
  t.equal(json.paths['/plane/v1/services/{service}/call/{method}'].post.requestBody.required, false)
  t.match(await send('GET', '/plane/docs/json'), { status: 200, json: { openapi: '3.1.0' } })
  t.match(await send('GET', '/plane/docs'), { status: 200, headers: { 'content-type': /^text\/html/ } })
  const file = '/plane/docs/static/swagger-ui.css'
  const { headers } = await send('GET', file)
  t.ok(Number(headers['content-length']) > 10_000)
  t.match(await send('HEAD', file), { status: 200, headers: { 'content-length': headers['content-length'] } })
})

t.test('a second plugin without a prefix, or with a wrong folder, is refused', async (t) => {
  for (const [options, message] of [
    [{ prefix: '' }, /needs a prefix/],
    [{ prefix: '/b', services: '/nowhere', data: join(folder, 'other') }, /\/nowhere cannot be read/],
  ] as const) {
    const other = Fastify()
    other.register(threadplane, { services, data: join(folder, 'data'), ...options })
    await t.rejects(async () => other.ready(), { message })
    await other.close()
  }
})

t.test('the application closes while clients wait; what was accepted is done after the next start', async (t) => {
  const { port } = app.server.address() as AddressInfo
  const headers = { accept: 'text/event-stream' }
  const [events] = await once(get({ port, host: '127.0.0.1', path: '/plane/v1/events', headers }), 'response')
  t.match(events, { statusCode: 200 })
  const ended = once(events.resume(), 'close')
  const held = call('gate', 'hold', { token: 'closing' })
  await becomes('the call to run', async () => (await send('GET', '/plane/v1/services/gate')).json.queue.running === 1)
  const cast = () => send('POST', '/plane/v1/services/echo/cast/any', { json: { n: 1 } }).catch(() => undefined)
  const casts = Array.from({ length: 30 }, cast)
  const first = await Promise.race(casts)
  t.match(first, { status: 202 })
  const closed = app.close()
  openGate('closing')
  t.match(await held, { status: 200 }, 'a call that runs is answered')
  await within(closed, 'the application to close')
  await within(ended, 'the stream of events to end')
  const accepted = (await Promise.all(casts)).flatMap((answer) => (answer?.status === 202 ? [answer.json.id] : []))
  t.ok(accepted.length > 0)

  app = await host()
  for (const id of accepted) {
    const { json } = await send('GET', `/plane/v1/jobs/${id}`, { headers: { prefer: 'wait=30' } })
    t.match(json, { state: 'succeeded', result: { n: 1 } })
  }
})
