/** What a page does in a real browser: with the client, as it is published, from another origin; and with an `EventSource`. */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type * as Client from '../../src/client/index.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { noBrowser, openBrowser, openPage } from '../dashboard/browser.ts'
import type bytes from '../http-fixtures/bytes.ts'
import type gate from '../http-fixtures/gate.ts'
import type streams from '../http-fixtures/streams.ts'
import { freePort } from '../free-port.ts'
import { openGate, serve } from '../http-helper.ts'
import { CuttingProxy } from './cutting-proxy.ts'

const FILES = fileURLToPath(new URL('../../src/client', import.meta.url))

/** Somebody's page: the files of the client, and an empty document. */
const site = createServer((request, response) => {
  const file = `${FILES}${request.url}`
  const isFile = request.url?.endsWith('.js') && existsSync(file)
  response.setHeader('content-type', isFile ? 'text/javascript' : 'text/html')
  response.end(isFile ? readFileSync(file) : '<!doctype html><title>a page</title><link rel="icon" href="data:,">')
}).listen(0, '127.0.0.1')
await once(site, 'listening')
t.teardown(() => site.close())
const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`

declare global {
  /** The module, in the page. */
  var client: typeof Client
  var states: string[]
}

t.test('calls, casts, bytes, streams, events, errors and retries', { skip: noBrowser }, async (t) => {
  const rig = new TokensRig(t)
  const token = await rig.add('page', ['read', 'enqueue', 'operate'])
  const server = await serve(t, {
    services: { bytes: 'bytes', gate: 'gate', streams: 'streams' },
    tokens: await rig.open(),
    origins: [origin],
  })
  // The browser says on its console what the server refuses.
  const page = await openPage(t, await openBrowser(t), origin, {
    expected: /request: http|status of (401|422|503)|ERR_CONNECTION_REFUSED/,
  })
  await page.evaluate("import('/index.js').then((module) => { globalThis.client = module })")
  const options = { url: `http://127.0.0.1:${server.port}`, token }

  t.strictSame(
    await page.evaluate(async (options) => {
      const image = new Uint8Array([0, 1, 255])
      const plane = client.createClient(options)
      return [...(await plane.service<typeof bytes>('bytes').call.invert(image, { contentType: 'image/png' }))]
    }, options),
    [255, 254, 0],
  )
  t.strictSame(
    await page.evaluate(async (options) => {
      const seen: number[] = []
      const { call } = client.createClient(options).service<typeof streams>('streams')
      for await (const { n } of call.count({ to: 3 })) seen.push(n)
      return seen
    }, options),
    [1, 2, 3],
  )
  openGate('cast in a page')
  t.strictSame(
    await page.evaluate(async (options) => {
      const { cast } = client.createClient(options).service<typeof gate>('gate')
      const job = await cast.hold({ token: 'cast in a page' })
      let last = 0
      for await (const { fraction } of job.progress()) last = fraction
      return [last, await job.result()]
    }, options),
    [1, 'cast in a page'],
  )
  t.strictSame(
    await page.evaluate(async (options) => {
      const plane = client.createClient(options)
      const states: unknown[] = []
      const ended = new AbortController()
      for await (const event of plane.events({ type: ['service.state'], service: ['gate'], signal: ended.signal })) {
        if (event.type === 'hello') await plane.request('POST', '/v1/services/gate/pause')
        if (event.type === 'service.state') states.push(event.state)
        if (states.length === 1) ended.abort()
      }
      return states
    }, options),
    ['paused'],
  )
  t.match(
    await page.evaluate(
      async ({ closedPort, ...options }) => {
        const refused = (promise: Promise<unknown>) =>
          promise.then(
            () => 'it succeeds',
            ({ status, code }: Client.PlaneError) => `${status} ${code}`,
          )
        const plane = client.createClient({ ...options, retries: 0 })
        const stranger = client.createClient({ ...options, token: 'wrong' })
        const nowhere = client.createClient({ url: `http://127.0.0.1:${closedPort}`, retries: 0 })
        return Promise.all([
          refused(Promise.resolve(plane.service<typeof streams>('streams').call.count({ to: 'x' as never }))),
          refused(plane.service<typeof gate>('gate').call.hold({ token: 'paused' })),
          refused(stranger.request('GET', '/v1/services')),
          refused(nowhere.request('GET', '/v1/services')),
        ])
      },
      { ...options, closedPort: await freePort() },
    ),
    ['422 VALIDATION_FAILED', '503 SERVICE_NOT_RUNNING', '401 UNAUTHORIZED', '0 CONNECTION_LOST'],
    'a browser does not tell whether a connection was refused',
  )
})

t.test('an EventSource goes on where it was cut off, and misses no event', { skip: noBrowser }, async (t) => {
  const server = await serve(t, { services: { gate: 'gate' } })
  const proxy = await CuttingProxy.listen(t, server.port)
  const expected = /ERR_(CONNECTION_RESET|INCOMPLETE_CHUNKED_ENCODING)|status of 404/
  const page = await openPage(t, await openBrowser(t), `${proxy.url}/livez`, { expected })
  await page.evaluate(() => {
    globalThis.states = []
    const source = new EventSource('/v1/events?type=service.state')
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data)
      globalThis.states.push(event.state ?? event.type)
    }
  })
  const shows = (...states: string[]) =>
    page.waitForFunction((wanted) => globalThis.states.join() === wanted, states.join())
  await shows('hello')
  await server.post('/v1/services/gate/pause')
  await shows('hello', 'paused')
  // The next event gets lost on its way, with the connection.
  let isCut = false
  proxy.cuts = (sent) => {
    if (isCut || !sent.includes('"running"')) return false
    isCut = true
    return true
  }
  await server.post('/v1/services/gate/resume')
  await shows('hello', 'paused', 'hello', 'running')
})
