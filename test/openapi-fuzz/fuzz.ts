/**
 * Whatever a client sends, the answer is one that the OpenAPI document tells of, and never a failure of ours. Every
 * operation of the document of a real server, so that a new route is tried without a word here. The server is a process
 * of its own: it has a core for itself, and nothing of it is known here but what it answers.
 *
 * The same requests each time, so that a failure is of what was changed. `FUZZ_RUNS=10000` for more of them, `FUZZ_SEED`
 * for others, or for what a failure has printed; `FUZZ_ONLY` is a part of an operation's id.
 */
import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import type { Test } from 'tap'
import { type Answer, request, type RequestOptions, within } from '../http-helper.ts'
import { run } from '../process-helper.ts'
import { Contract, type OpenApiDocument } from './contract.ts'
import { type FuzzRequest, requestsOf, shorten } from './requests.ts'
import { Values, type Words } from './values.ts'

const { FUZZ_RUNS: RUNS = '2000', FUZZ_SEED: SEED = '1', FUZZ_ONLY: ONLY = '' } = process.env
/** Operations tried at once. */
const LANES = 8
/** So often the world is put in order again. */
const TEND_EVERY = 100

const VICTIMS = ['victim', 'other.victim']

/** Jobs seen last. */
const jobs: string[] = []

function remember(id: string): void {
  jobs.push(id)
  if (jobs.length > 32) jobs.shift()
}

const words: Words = {
  service: fc.constantFrom(...VICTIMS, ...VICTIMS, '__proto__'),
  method: fc.constantFrom('run', 'run', 'run', 'nothing'),
  id: fc.nat(31).map((n) => jobs[n % Math.max(jobs.length, 1)] ?? 'none'),
  cursor: fc.nat(31).map(String),
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
async function tend(client: Client): Promise<void> {
  for (const name of VICTIMS) {
    const service = `/v1/services/${name}`
    const { status, json } = await client.request('GET', service)
    if (status === 404 || json.module.startsWith('_')) {
      const put = await client.request('PUT', service, { json: { module: 'victim.js' } })
      // Another request of the fuzz has stopped or deleted it meanwhile.
      if (put.status >= 300 && put.json.code !== 'CONFLICT') throw new Error(`${service} is not back: ${put.text}`)
    } else if (json.state === 'paused') await client.request('POST', `${service}/resume`)
    else if (json.state === 'stopped' || json.state === 'failed') await client.request('POST', `${service}/start`)
    await client.request('PUT', `${service}/schedules/nightly`, { json: { cron: '0 3 * * *', method: 'run' } })
    // One that may be retried.
    const cast = await client.request('POST', `${service}/cast/run?delayMs=3600000`, { json: {} })
    if (cast.status !== 202) continue
    remember(cast.json.id)
    await client.request('POST', `/v1/jobs/${cast.json.id}/cancel`)
  }
}

const costly = (path: string) => /^\/v1\/services\/\{service\}(\/[^/]+)?$/.test(path)

/** @param covers the paths that are tried, as the document writes them */
export async function fuzz(t: Test, covers: (path: string) => boolean): Promise<void> {
  t.setTimeout(180_000 + Number(RUNS) * 300)
  t.jobs = LANES

  // Two of its modules are no services.
  const server = run(
    t,
    ['serve', 'workers', '--no-supervise'],
    { THREADPLANE_MAX_BODY: '200000B' },
    {
      rich: 'rich',
      ...Object.fromEntries(VICTIMS.map((name) => [name, 'victim'])),
      _broken: 'throws-at-import',
      _failing: 'fails-to-start',
    },
  )
  await server.prints(/services: /)
  const client = new Client((await server.listens()).port)
  t.teardown(() => client.close())
  const contract = new Contract((await client.request('GET', '/openapi.json')).json as OpenApiDocument)

  await tend(client)
  const values = new Values(contract.document.components.schemas, words)

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
            if (requests % TEND_EVERY === 0) await tend(client)
            const answer = await client.send(request)
            statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
            if (answer.status === 202) remember(answer.json.id ?? answer.json.jobId)
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

  // One that is buffered, as all are here if not told otherwise, would run beside the others.
  t.test('afterwards the server is as sound as before', { buffered: false }, async (t) => {
    const { items } = (await client.request('GET', '/v1/services')).json
    for (const { name } of items as { name: string }[]) {
      if (name === 'rich') continue
      t.equal((await client.request('DELETE', `/v1/services/${name}?cancelJobs=true`)).status, 204)
    }
    t.equal((await client.request('GET', '/livez')).status, 200)
    t.equal((await client.request('GET', '/readyz')).status, 200)
    const root = { json: { name: 'root' } }
    t.match(await client.request('POST', '/v1/services/rich/call/tree', root), { status: 200, json: { name: 'root' } })
    const { json } = await client.request('POST', '/v1/services/rich/cast/tree', root)
    const finished = await client.request('GET', `/v1/jobs/${json.id}`, { headers: { prefer: 'wait=20' } })
    t.match(finished.json, { state: 'succeeded' })
    t.equal((await client.request('GET', '/openapi.json')).status, 200)
    server.child.kill('SIGTERM')
    t.same(await server.ended(), { code: 0, signal: null })
    t.notMatch(server.output, /internal error/)
  })
}

class Client {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: LANES })

  constructor(port: number) {
    this.#port = port
  }

  request(method: string, path: string, options?: RequestOptions): Promise<Answer> {
    return request(this.#port, method, path, options)
  }

  send({ method, url, headers, body }: FuzzRequest): Promise<Answer> {
    const answered = new Promise<Answer>((resolve, reject) => {
      const length = body !== undefined && { 'content-length': Buffer.byteLength(body) }
      const sent = httpRequest({
        host: '127.0.0.1',
        port: this.#port,
        agent: this.#agent,
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

  close(): void {
    this.#agent.destroy()
  }
}
