/**
 * A real server on a free port, with its own data folder and copies of fixtures as its modules, and a client on real
 * sockets. Tests wait for events, with a deadline, and never for a fixed time.
 */
import type { ServiceState } from '../src/contract/states.ts'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BroadcastChannel, type Worker } from 'node:worker_threads'
import { pino } from 'pino'
import type { Test } from 'tap'
import { ERRORS, type ErrorCode } from '../src/contract/errors.ts'
import { buildServer } from '../src/server/build-server.ts'
import type { Server, ServerOptions } from '../src/server/options.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'

/** Long, for a busy machine: it only ends a test that hangs. */
const DEADLINE_MS = 60_000
/** How often to check a condition that has no event. */
const CHECK_EVERY_MS = 5

const FIXTURES = fileURLToPath(new URL('./http-fixtures/', import.meta.url))

export interface ServeOptions extends Partial<Omit<ServerOptions, 'workers' | 'data' | 'log'>> {
  /** Names of services → names of fixtures. */
  services: Record<string, string>
  /** The folder of an earlier server, to read what that server wrote. */
  folder?: string
  /** False: no service is started. */
  start?: boolean
}

export interface RequestOptions {
  json?: unknown
  body?: string | Buffer
  headers?: Record<string, string | string[]>
  /** When it fires, the client closes the connection. */
  signal?: AbortSignal
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: each test knows the shape of its answers
  json: any
}

export interface LogRecord {
  level: number
  msg: string
  [field: string]: unknown
}

/** Threads of this process that are alive. */
const threads = new Set<Worker>()
process.on('worker', (worker: Worker) => {
  threads.add(worker)
  worker.once('exit', () => threads.delete(worker))
})
let open = 0

async function allEnded(): Promise<void> {
  while (threads.size > 0) await Promise.all([...threads].map((worker) => once(worker, 'exit')))
}

/**
 * Serves fixtures. The teardown closes the server, and fails if a thread does not end. Where the variable TEST_DATABASE is
 * set, the server is three of them, behind a proxy, and with TEST_PLACED the services run on one of them: see
 * `cluster/black-box.test.ts`.
 */
export async function serve(t: Test, options: ServeOptions): Promise<TestServer> {
  const { TEST_DATABASE: url } = process.env
  if (url === undefined || options.database !== undefined) return serveOne(t, options, new Logs())
  return (await import('./cluster/serve-three.ts')).serveThree(t, options, url)
}

export async function serveOne(t: Test, options: ServeOptions, logs: Logs): Promise<TestServer> {
  const { services, folder = mkdtempSync(join(FIXTURES, '../http-')), start = true, ...more } = options
  const workers = join(folder, 'workers')
  mkdirSync(workers, { recursive: true })
  for (const [name, fixture] of Object.entries(services)) {
    copyFileSync(join(FIXTURES, `${fixture}.js`), join(workers, `${name}.js`))
  }
  const server = await buildServer({ workers, data: join(folder, 'data'), log: logs.logger, ...more })
  open += 1
  let closed: Promise<void> | undefined
  const close = async () => {
    await within(server.app.close(), 'the server to close')
    open -= 1
    if (open === 0) await within(allEnded(), `the end of the last ${threads.size} threads`)
  }
  t.teardown(async () => {
    await (closed ??= close())
    rmSync(folder, { recursive: true, force: true })
  })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  if (start) await server.registry.startAll()
  return new TestServer(server, folder, logs, () => (closed ??= close()))
}

export class TestServer {
  readonly server: Server
  readonly folder: string
  readonly workers: string
  readonly logs: Logs
  /** Where clients reach it. */
  port: number
  close: () => Promise<void>
  /** Options of each service that a test registers, beside its own. */
  registered: object = {}

  constructor(server: Server, folder: string, logs: Logs, close: () => Promise<void>) {
    this.server = server
    this.folder = folder
    this.workers = join(folder, 'workers')
    this.logs = logs
    this.port = (server.app.server.address() as AddressInfo).port
    this.close = close
  }

  request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return request(this.port, method, path, options)
  }

  get(path: string, options?: RequestOptions): Promise<Answer> {
    return this.request('GET', path, options)
  }

  post(path: string, json?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.request('POST', path, { ...(json !== undefined && { json }), ...options })
  }

  put(service: string, json: unknown): Promise<Answer> {
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json)
    const given = isObject ? { ...json, ...this.registered } : json
    return this.request('PUT', `/v1/services/${service}`, { json: given })
  }

  delete(path: string): Promise<Answer> {
    return this.request('DELETE', path)
  }

  call(service: string, method: string, json?: unknown, options?: RequestOptions): Promise<Answer> {
    return this.post(`/v1/services/${service}/call/${method}`, json, options)
  }

  cast(service: string, method: string, json?: unknown, query = ''): Promise<Answer> {
    return this.post(`/v1/services/${service}/cast/${method}${query}`, json)
  }

  /** Waits until the job has finished, and returns it. */
  async finished(id: string): Promise<Answer['json']> {
    const { json } = await this.get(`/v1/jobs/${id}`, { headers: { prefer: `wait=${DEADLINE_MS / 1_000}` } })
    if (json.finishedAt === null) throw new Error(`the job is still ${json.state}: ${JSON.stringify(json)}`)
    return json
  }

  async status(service: string): Promise<Answer['json']> {
    return (await this.get(`/v1/services/${service}`)).json
  }

  service(name: string): SupervisedService {
    return this.server.registry.get(name)
  }

  /** Waits until the service is in one of the states. */
  async reaches(name: string, ...states: ServiceState[]): Promise<void> {
    const service = this.service(name)
    if (states.includes(service.state)) return
    let seen: (state: ServiceState) => void = () => {}
    const reached = new Promise<void>((resolve) => {
      seen = (state) => states.includes(state) && resolve()
      service.on('state', seen)
    })
    await within(reached, `${name} to be ${states.join(' or ')} (it is ${service.state})`).finally(() =>
      service.off('state', seen),
    )
  }

  /** Waits until the service runs and has been restarted this many times. */
  async restarted(name: string, times: number): Promise<void> {
    const service = this.service(name)
    const holds = () => service.restartCount >= times && service.state === 'running'
    await becomes(`${name} to run after restart ${times}`, holds)
  }

  /** Waits until the service has this many methods in its queue, or handed to its threads and not begun. */
  async waiting(name: string, count: number): Promise<void> {
    await becomes(`${name} to have ${count} waiting methods`, () => this.service(name).waiting === count)
  }

  /** Waits until the service's threads run this many methods. */
  async running(name: string, count: number): Promise<void> {
    await becomes(`${name} to run ${count} methods`, () => this.service(name).running === count)
  }

  /** Waits until the service has this many threads, those that drain included. */
  async threads(name: string, count: number): Promise<void> {
    await becomes(`${name} to have ${count} threads`, () => this.service(name).threads.length === count)
  }

  /** Sends raw bytes, for requests that no HTTP client sends. Returns what the server sends until it closes. */
  raw(bytes: string | Buffer): Promise<string> {
    const answered = new Promise<string>((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write(bytes))
      let text = ''
      socket.setEncoding('utf8')
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('error', reject)
      socket.on('close', () => resolve(text))
    })
    return within(answered, 'an answer on the raw socket')
  }
}

export function request(port: number, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const { json, signal } = options
  const body = json === undefined ? options.body : JSON.stringify(json)
  const headers = {
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...(body !== undefined &&
      options.headers?.['transfer-encoding'] === undefined && { 'content-length': Buffer.byteLength(body) }),
    ...options.headers,
  }
  const answered = new Promise<Answer>((resolve, reject) => {
    const agent = new Agent({ keepAlive: false })
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent, ...(signal && { signal }) })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(pieces)
        const text = bytes.toString()
        const isJson = /[/+]json(;|$)/.test(response.headers['content-type'] ?? '')
        const { statusCode: status = 0, headers: got } = response
        resolve({ status, headers: got, bytes, text, json: isJson && text !== '' ? JSON.parse(text) : undefined })
      })
    })
    sent.end(body)
  })
  return within(answered, `an answer to ${method} ${path}`, DEADLINE_MS + 5_000)
}

/** The log of a server. Fixtures write to it what they do. */
export class Logs {
  readonly records: LogRecord[] = []
  readonly #watchers = new Set<(record: LogRecord) => void>()
  readonly logger = pino({ level: 'trace' }, { write: (line: string) => this.#add(JSON.parse(line) as LogRecord) })

  #add(record: LogRecord): void {
    this.records.push(record)
    for (const watch of this.#watchers) watch(record)
  }

  /** Waits for a line with this message and these fields, and returns it; of several, the one with number `times`. */
  async line(msg: string, fields: Record<string, unknown> = {}, times = 1): Promise<LogRecord> {
    const known = this.lines(msg, fields)
    if (known.length >= times) return known[times - 1] as LogRecord
    let missing = times - known.length
    let watch: (record: LogRecord) => void = () => {}
    const written = new Promise<LogRecord>((resolve) => {
      watch = (record) => {
        if (matches(record, msg, fields)) missing -= 1
        if (missing === 0) resolve(record)
      }
      this.#watchers.add(watch)
    })
    return within(written, `${times} × the log line "${msg}" with ${JSON.stringify(fields)}`).finally(() =>
      this.#watchers.delete(watch),
    )
  }

  /** The lines so far with this message and these fields. */
  lines(msg: string, fields: Record<string, unknown> = {}): LogRecord[] {
    return this.records.filter((record) => matches(record, msg, fields))
  }

  has(msg: string, fields: Record<string, unknown> = {}): boolean {
    return this.lines(msg, fields).length > 0
  }
}

function matches(record: LogRecord, msg: string, fields: Record<string, unknown>): boolean {
  return record.msg === msg && Object.entries(fields).every(([name, value]) => record[name] === value)
}

/** Opens the wait of a `waits-*.ts` fixture. The fixture has to listen already: it logs that. */
export function letGo(service: string): void {
  const channel = new BroadcastChannel(`let go: ${service}`)
  channel.postMessage(true)
  channel.close()
}

/** Opens a gate of `gate.ts` without a call of its method `release`, which needs a free worker. */
export function openGate(token: string): void {
  const channel = new BroadcastChannel('open gate')
  channel.postMessage(token)
  channel.close()
}

/** Waits for a condition that has no event, such as the arrival of a request in a queue. */
export async function becomes(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  let late = false
  const held = async () => {
    while (!late && !(await holds())) await sleep(CHECK_EVERY_MS)
  }
  await within(held(), what).finally(() => {
    late = true
  })
}

export async function within<T>(promise: Promise<T>, what: string, deadlineMs = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what}`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The answer is a problem document with all its members (P6), and a 503 has `Retry-After`. */
export function isProblem(t: Test, answer: Answer, code: ErrorCode, expected: Record<string, unknown> = {}): void {
  const { headers, json } = answer
  const { status, title, retryable } = ERRORS[code]
  t.match(headers['content-type'], /^application\/problem\+json(;|$)/, `${code}: the content type`)
  t.equal(answer.status, status, `${code}: the status of the answer`)
  t.match(
    json,
    {
      type: `urn:threadplane:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title,
      status,
      detail: /./,
      instance: String,
      code,
      retryable,
      ...expected,
    },
    `${code}: the problem document`,
  )
  if (status === 503) t.match(headers['retry-after'], /^[1-9]\d*$/, `${code}: Retry-After`)
}

/** As {@link isProblem}, for the text of an answer as it came from the socket. */
export function isRawProblem(t: Test, text: string, code: ErrorCode): void {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const { status, title, retryable } = ERRORS[code]
  t.ok(head.startsWith(`HTTP/1.1 ${status} `), head)
  t.match(head, /content-type: application\/problem\+json/i)
  // The body may be chunked.
  const json = JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)) as object
  t.match(json, { type: String, title, status, detail: /./, instance: String, code, retryable })
}
