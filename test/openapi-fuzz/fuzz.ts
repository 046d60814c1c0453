/**
 * Whatever a client sends, the answer is one that the OpenAPI document tells of, and never a failure of ours. Every
 * operation of the document of a real server, so that a new route is tried without a word here.
 *
 * The same requests each time, so that a failure is of what was changed. `FUZZ_RUNS=10000` for more of them, `FUZZ_SEED`
 * for others, or for what a failure has printed; `FUZZ_ONLY` is a part of an operation's id.
 */
import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import type { Test } from 'tap'
import { hasCode } from '../../src/errors.ts'
import { type Answer, type TestServer, serve, within } from '../http-helper.ts'
import { Contract, type OpenApiDocument } from './contract.ts'
import { type FuzzRequest, requestsOf, shorten } from './requests.ts'
import { Values, type Words } from './values.ts'

const { FUZZ_RUNS: RUNS = '500', FUZZ_SEED: SEED = '1', FUZZ_ONLY: ONLY = '' } = process.env
/** Operations tried at once. */
const LANES = 8
/** So often the world is put in order again. */
const TEND_EVERY = 100

const VICTIMS = ['victim', 'other.victim']

/** Jobs seen last. */
const jobs: string[] = []

const words: Words = {
  service: fc.constantFrom(...VICTIMS, ...VICTIMS, '__proto__'),
  method: fc.constantFrom('run', 'run', 'run', 'nothing'),
  id: fc.nat(31).map((n) => jobs[n % Math.max(jobs.length, 1)] ?? 'none'),
  cursor: fc.nat(31).map((n) => jobs[n % Math.max(jobs.length, 1)] ?? 'none'),
  limit: fc.constantFrom(1, 3, 20),
  name: fc.constantFrom('nightly', 'hourly'),
  module: fc.constantFrom(
    'victim.js',
    'victim.js',
    'other.victim.js',
    '_broken.js',
    '_failing.js',
    'none.js',
    '../x.js',
  ),
  cron: fc.constantFrom('0 3 * * *', '*/20 * * * * *', '0 0 30 2 *', '* *', 'nonsense'),
  timezone: fc.constantFrom('UTC', 'Europe/Vienna', 'Nowhere/None'),
  prefer: fc.constantFrom('wait=0', 'respond-async', 'respond-async, wait=0', 'handling=lenient', 'wait=soon'),
  'request-timeout': fc.constantFrom('50ms', '300ms', '1s', '1ms'),
  'idempotency-key': fc.constantFrom('"a"', '"b"', 'c', '""'),
  // What takes its time, or much of the machine, is tried elsewhere; out of memory takes the process with it.
  kind: fc.constantFrom('exception', 'exit'),
  isolation: fc.constant('thread'),
  threads: fc.constantFrom(1, 2),
  prefetch: fc.nat(64),
  limits: fc.constant({}),
  backoffMs: fc.nat(20),
  backoffMaxMs: fc.nat(20),
  // A module that cannot start is not to be tried for ever.
  maxRestarts: fc.nat(3),
  periodMs: fc.constant(60_000),
}

/** What the fuzz has stopped or deleted is there again: most requests are to meet something. */
async function tend(server: TestServer): Promise<void> {
  const { registry } = server.server
  for (const name of VICTIMS) {
    const service = registry.services.find((one) => one.name === name)
    if (service === undefined || service.module.startsWith('_')) {
      await registry.put(name, 'victim.js', {}).catch((error: unknown) => {
        // Another request of the fuzz has stopped it meanwhile.
        if (!hasCode(error, 'CONFLICT')) throw error
      })
    } else if (service.state === 'paused') service.resume()
    else if (service.state === 'stopped' || service.state === 'failed') await service.start().catch(() => {})
    await server.put(`${name}/schedules/nightly`, { cron: '0 3 * * *', method: 'run' })
  }
}

const costly = (path: string) => /^\/v1\/services\/\{service\}(\/[^/]+)?$/.test(path)

/** @param covers the paths that are tried, as the document writes them */
export async function fuzz(t: Test, covers: (path: string) => boolean): Promise<void> {
  t.setTimeout(180_000 + Number(RUNS) * 300)
  t.jobs = LANES

  const server = await serve(t, {
    services: {
      rich: 'rich',
      ...Object.fromEntries(VICTIMS.map((name) => [name, 'victim'])),
      // Modules, and no services.
      _broken: 'throws-at-import',
      _failing: 'fails-to-start',
    },
    maxBodyBytes: 200_000,
  })
  const contract = new Contract((await server.get('/openapi.json')).json as OpenApiDocument)

  await tend(server)
  const values = new Values(contract.document.components.schemas, words)

  const agent = new Agent({ keepAlive: true, maxSockets: LANES })
  t.teardown(() => agent.destroy())

  let requests = 0
  for (const [path, operations] of Object.entries(contract.document.paths)) {
    if (!covers(path)) continue
    for (const [verb, operation] of Object.entries(operations)) {
      if (!operation.operationId.includes(ONLY)) continue
      t.test(`${operation.operationId}: ${verb.toUpperCase()} ${path}`, { buffered: true }, async (t) => {
        const statuses = new Map<number, number>()
        const property = fc.asyncProperty(
          requestsOf(verb.toUpperCase(), path, operation, values, costly(path)),
          async (request) => {
            requests += 1
            if (requests % TEND_EVERY === 0) await tend(server)
            const answer = await send(server.port, agent, request)
            statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
            if (answer.status === 202) {
              jobs.push(answer.json.id ?? answer.json.jobId)
              if (jobs.length > 32) jobs.shift()
            }
            const complaint = contract.complaint(request.method, path, answer)
            if (complaint !== undefined) throw new Error(`${complaint}\n${answer.status} ${shorten(answer.text)}`)
          },
        )
        const since = performance.now()
        await fc.assert(property, {
          numRuns: Number(RUNS),
          includeErrorInReport: true,
          seed: Number(SEED),
        })
        t.comment(`${Math.round(performance.now() - since)} ms`, Object.fromEntries(statuses))
        const accepted = [...statuses.keys()].some((status) => status < 300) || [...statuses.keys()].includes(500)
        t.ok(accepted || Number(RUNS) < 1_000, 'some of it was taken')
      })
    }
  }

  t.test('afterwards the server is as sound as before', async (t) => {
    const { registry } = server.server
    for (const { name } of registry.services) if (name !== 'rich') await registry.remove(name, { cancelJobs: true })
    t.equal((await server.get('/livez')).status, 200)
    t.equal((await server.get('/readyz')).status, 200)
    t.match(await server.call('rich', 'tree', { name: 'root' }), { status: 200, json: { name: 'root' } })
    const { json } = await server.cast('rich', 'tree', { name: 'root' })
    t.match(await server.finished(json.id), { state: 'succeeded' })
    t.notOk(server.logs.has('internal error'))
    t.equal((await server.get('/openapi.json')).status, 200)
  })
}

function send(port: number, agent: Agent, { method, url, headers, body }: FuzzRequest): Promise<Answer> {
  const answered = new Promise<Answer>((resolve, reject) => {
    const length = body !== undefined && { 'content-length': Buffer.byteLength(body) }
    const sent = httpRequest({
      host: '127.0.0.1',
      port,
      agent,
      method,
      path: url,
      headers: { ...headers, ...length },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const { statusCode: status = 0, headers: got } = response
      // A stream of events has no end: its head is the answer.
      if (got['content-type']?.startsWith('text/event-stream')) {
        response.destroy()
        return resolve({ status, headers: got, bytes: Buffer.alloc(0), text: '', json: undefined })
      }
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        const isJson = /json/.test(got['content-type'] ?? '') && text !== ''
        resolve({ status, headers: got, bytes, text, json: isJson ? JSON.parse(text) : undefined })
      })
    })
    sent.end(body)
  })
  return within(answered, `an answer to ${method} ${shorten(url)}`, 40_000)
}
