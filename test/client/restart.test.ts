/** A server that is killed, and started again: what each kind of request of the client makes of that. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createClient, type Fetch, type PlaneEvent } from '../../src/client/index.ts'
import { freePort } from '../free-port.ts'
import { becomes } from '../http-helper.ts'
import type holds from '../http-fixtures/holds-the-process.ts'
import { Process, workersFolder } from '../process-helper.ts'
import { CuttingProxy } from './cutting-proxy.ts'

t.test('a server is killed while a client waits for it in each way', async (t) => {
  const folder = workersFolder({ holds: 'holds-the-process' })
  const port = await freePort()
  const start = () => {
    const args = ['serve', 'workers', '--no-supervise']
    return new Process(t, folder, args, { THREADPLANE_PORT: String(port), THREADPLANE_SHUTDOWN_TIMEOUT: '1s' })
  }
  const first = start()
  await first.prints(/services: holds running/)
  const url = `http://127.0.0.1:${port}`
  const sent: string[] = []
  const noting: Fetch = (url, init) => {
    sent.push(url)
    return fetch(url, init)
  }
  // So many that they last until the server is there again, however slow the machine is.
  const plane = createClient({ url, retries: 1_000, timeoutMs: 120_000, fetch: noting })
  const { call, cast } = plane.service<typeof holds>('holds')

  const events: PlaneEvent[] = []
  const leaves = new AbortController()
  const followed = (async () => {
    for await (const event of plane.events({ type: ['service.*'], signal: leaves.signal })) events.push(event)
  })()
  await becomes('the stream to begin', () => events.length > 0)
  const once = call.hold('once').then(
    () => t.fail('a call that was lost succeeds'),
    (error: unknown) => t.match(error, { name: 'PlaneError', status: 0, code: 'CONNECTION_LOST', retryable: true }),
  )
  await first.logs(/^held$/, 1)
  const twice = call.hold('twice', { idempotent: true })
  await first.logs(/^held$/, 2)
  const job = await cast.hold('job')
  const result = job.result({ timeoutMs: 120_000 })
  await first.logs(/^held$/, 3)

  // The answer to the cast is on its way when the server dies: its job is on disk.
  const proxy = await CuttingProxy.listen(t, port)
  proxy.cuts = () => {
    proxy.cuts = () => false
    return first.child.kill('SIGKILL')
  }
  const behindProxy = createClient({ url: proxy.url, retries: 1_000, timeoutMs: 120_000 })
  const casting = behindProxy.service<typeof holds>('holds').cast.hold('once', { maxAttempts: 9 })
  await first.ended()
  await once
  const refused = plane.request('POST', '/v1/services/holds/start')
  await becomes('a connection to be refused', () => sent.filter((path) => path.endsWith('/start')).length > 1)

  const second = start()
  t.match(await refused, { name: 'holds' }, 'a request that found no server is answered by the next one')
  const again = await casting
  writeFileSync(join(folder, 'let-go'), '')
  t.equal(await twice, 'held to the end')
  t.equal(await result, 'held to the end')
  t.equal(await again.result(), 'held to the end')
  const { items } = (await plane.request('GET', '/v1/jobs')) as { items: { id: string }[] }
  t.strictSame(items.map(({ id }) => id).sort(), [job.id, again.id].sort(), 'no cast became two jobs')
  t.ok(sent.filter((path) => path.endsWith('/call/hold')).length > 2, 'the idempotent call was sent again')

  await becomes('a gap in the events', () => events.some(({ type }) => type === 'gap'))
  t.match(
    events.find(({ type }) => type === 'gap'),
    { reason: 'restart', lost: null },
  )
  await plane.request('POST', '/v1/services/holds/pause')
  const isPause = (event: PlaneEvent) => event.type === 'service.state' && event.state === 'paused'
  await becomes('an event of the second server', () => events.some(isPause))
  t.equal(events.filter(({ type }) => type === 'hello').length, 2)
  leaves.abort()
  await followed
  second.child.kill('SIGTERM')
  await second.ended()
})
