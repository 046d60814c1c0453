/**
 * Sends random requests to every operation of a real server's OpenAPI document. Each answer must be one that the
 * document describes, and never an internal error. A new route is covered without a change here. The server is a
 * process of its own, so that the test knows nothing of it but its answers.
 *
 * The requests are the same in every run, so a failure comes from a change of the code. `THREADPLANE_SOAK=1` sends 2,000
 * requests to each operation instead of 60. `FUZZ_RUNS` sets another number; `FUZZ_SEED` makes other requests, or those
 * of a reported failure; `FUZZ_ONLY` is a part of the ids of the operations to try.
 */
import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import type { Test } from 'tap'
import { type Answer, request, type RequestOptions, within } from '../http-helper.ts'
import { run } from '../process-helper.ts'
import { Contract, type OpenApiDocument, type Operation } from './contract.ts'
import { type FuzzRequest, type Kind, requestsOf, shorten } from './requests.ts'
import { Values, type Words } from './values.ts'

const { THREADPLANE_SOAK, FUZZ_SEED: SEED = '1', FUZZ_ONLY: ONLY = '' } = process.env
const RUNS = Number(process.env.FUZZ_RUNS ?? (THREADPLANE_SOAK === '1' ? 2_000 : 60))
/** From here on, every operation accepts some of its requests; below, most operations. */
const MANY_RUNS = 1_000
const isLong = RUNS >= MANY_RUNS
/** Operations tried at once. */
const LANES = 8
/** Services and schedules that the requests have removed are restored after this many requests. */
const RESTORE_EVERY = isLong ? 100 : 30
/** Operations that start or stop threads are costly: one in this many of their requests names an existing service. */
const KNOWN_SERVICE_IF_COSTLY = isLong ? 40 : 10

const VICTIMS = ['victim', 'other.victim']

/** The ids of the last jobs, for requests that name a job. */
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
  // Hangs are slow, and running out of memory may end the process: other tests try these.
  kind: fc.constantFrom('exception', 'exit'),
  isolation: fc.constant('thread'),
  threads: fc.constantFrom(1, 2),
  prefetch: fc.nat(64),
  limits: fc.constant({}),
  backoffMs: fc.nat(20),
  backoffMaxMs: fc.nat(20),
  // A module that cannot start must not be restarted again and again.
  maxRestarts: fc.nat(3),
  periodMs: fc.constant(60_000),
}

/** Restores services and jobs that the requests have stopped or deleted, so that later requests find them. */
async function restore(client: Client): Promise<void> {
  for (const name of VICTIMS) {
    const service = `/v1/services/${name}`
    const { status, json } = await client.request('GET', service)
    if (status === 404 || json.module.startsWith('_')) {
      const put = await client.request('PUT', service, { json: { module: 'victim.js' } })
      // CONFLICT: another request stopped or deleted the service during the PUT.
      if (put.status >= 300 && put.json.code !== 'CONFLICT') throw new Error(`${service} is not back: ${put.text}`)
    } else if (json.state === 'paused') await client.request('POST', `${service}/resume`)
    else if (json.state === 'stopped' || json.state === 'failed') await client.request('POST', `${service}/start`)
    await client.request('PUT', `${service}/schedules/nightly`, { json: { cron: '0 3 * * *', method: 'run' } })
    // A cancelled job, which `retry` accepts.
    const cast = await client.request('POST', `${service}/cast/run?delayMs=3600000`, { json: {} })
    if (cast.status !== 202) continue
    remember(cast.json.id)
    await client.request('POST', `/v1/jobs/${cast.json.id}/cancel`)
  }
}

/** Is it an operation on a service itself? Most of these start or stop threads. */
const isCostly = (path: string) => /^\/v1\/services\/\{service\}(\/[^/]+)?$/.test(path)

/** The kinds of requests that every run must try. */
const kindsOf = ({ requestBody }: Operation): Kind[] =>
  requestBody?.content['application/json'] === undefined ? ['valid', 'nonsense'] : ['valid', 'mutated', 'nonsense']

/** @param covers whether to try a path, as the document writes it */
export async function fuzz(t: Test, covers: (path: string) => boolean): Promise<void> {
  t.setTimeout(180_000 + RUNS * 300)
  t.jobs = LANES

  // Files whose names begin with _ are modules to register, not services of their own.
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

  await restore(client)
  const values = new Values(contract.document.components.schemas, words)

  let requests = 0
  /** For each operation, whether it accepted a request. */
  const accepts: boolean[] = []
  for (const [path, operations] of Object.entries(contract.document.paths)) {
    if (!covers(path)) continue
    for (const [verb, operation] of Object.entries(operations)) {
      if (!operation.operationId.includes(ONLY)) continue
      t.test(`${operation.operationId}: ${verb.toUpperCase()} ${path}`, { buffered: true }, async (t) => {
        const statuses = new Map<number, number>()
        const kinds = new Set<Kind>()
        const knownService = isCostly(path) ? KNOWN_SERVICE_IF_COSTLY : 1
        const property = fc.asyncProperty(
          requestsOf(verb.toUpperCase(), path, operation, values, knownService),
          async (request) => {
            requests += 1
            kinds.add(request.kind)
            if (requests % RESTORE_EVERY === 0) await restore(client)
            const answer = await client.send(request)
            statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
            if (answer.status === 202) remember(answer.json.id ?? answer.json.jobId)
            const complaint = contract.complaint(request.method, path, answer)
            if (complaint !== undefined) throw new Error(`${complaint}\n${answer.status} ${shorten(answer.text)}`)
          },
        )
        const since = performance.now()
        await fc.assert(property, {
          numRuns: RUNS,
          includeErrorInReport: true,
          seed: Number(SEED),
        })
        t.comment(`${Math.round(performance.now() - since)} ms`, Object.fromEntries(statuses))
        for (const kind of kindsOf(operation)) t.ok(kinds.has(kind), `a request was ${kind}`)
        // 500: a method threw.
        const accepted = [...statuses.keys()].some((status) => status < 300 || status === 500)
        accepts.push(accepted)
        if (isLong) t.ok(accepted, 'some of its requests were accepted')
      })
    }
  }

  // Not buffered, so that it starts after the others have ended.
  t.test('the server works as before, and ends in order', { buffered: false }, async (t) => {
    if (ONLY === '') t.ok(accepts.filter(Boolean).length >= 0.75 * accepts.length, 'most operations accepted a request')
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
        // A stream of events, or of the log, does not end: do not wait for its body.
        if (
          /^text\/event-stream|^application\/x-ndjson/.test(got['content-type'] ?? '') &&
          /\/(events|logs)\b/.test(url)
        ) {
          response.destroy()
          return resolve({ status, headers: got, bytes: Buffer.alloc(0), text: '', json: undefined })
        }
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const bytes = Buffer.concat(chunks)
          const text = bytes.toString()
          const isJson = /[/+]json\b/.test(got['content-type'] ?? '') && text !== ''
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
