/**
 * Sends requests: adds the headers that each kind needs, tries again as `retry-rules.ts` says, and makes errors of what
 * fails. `timeoutMs` bounds all tries and the waits between them; calls and casts tell the server what is left of it.
 */
import { Deadline, sleep } from './deadline.ts'
import { headersOf } from './headers.ts'
import { errorOfProblem, networkError, PlaneError } from './plane-error.ts'
import { invocationOf, type Outcome, requestKind, retryDelayMs } from './retry-rules.ts'

/**
 * The server is told a little less than what is left, so that its own answer, which says whether the method has begun,
 * comes before the client gives up.
 */
const ANSWER_MARGIN_MS = 250
const ANSWER_MARGIN_PART = 0.2

/** What of `fetch` the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface ClientOptions {
  /** Where the server is; it may have a path, behind a proxy. Default: `http://127.0.0.1:8080`. */
  url?: string | undefined
  /** Sent as `Authorization: Bearer`. */
  token?: string | undefined
  /** For one operation, all of its tries included, in milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined
  /** How often a request is sent again at most. Default: 3. */
  retries?: number | undefined
  /** False: this error is not worth another try for the caller. Default: each that another try may mend is. */
  retryIf?: ((error: PlaneError) => boolean) | undefined
  /** Instead of the global `fetch`. */
  fetch?: Fetch | undefined
}

export interface RequestOptions {
  /** Values that are `undefined` are left out; those of an array are joined by commas. */
  query?: Record<string, string | number | boolean | readonly string[] | undefined> | undefined
  /** `Uint8Array` and `ReadableStream` are sent as they are, everything else as JSON. A stream is sent only once. */
  body?: unknown
  headers?: Record<string, string> | undefined
  /** For all tries, in milliseconds. Default: that of the client. */
  timeoutMs?: number | undefined
  /** Ends the request; what is thrown is its reason. */
  signal?: AbortSignal | undefined
  /** False: it is sent only once. */
  retry?: boolean | undefined
  /** A call may be sent again although its method may have begun. */
  idempotent?: boolean | undefined
}

export class Transport {
  readonly timeoutMs: number
  readonly #base: string
  readonly #token: string | undefined
  readonly #retries: number
  readonly #retryIf: (error: PlaneError) => boolean
  readonly #fetch: Fetch

  /** @throws TypeError if the URL is not one of HTTP; RangeError */
  constructor({
    url = 'http://127.0.0.1:8080',
    token,
    timeoutMs = 30_000,
    retries = 3,
    retryIf,
    fetch,
  }: ClientOptions) {
    const { protocol, origin, pathname } = new URL(url)
    if (!/^https?:$/.test(protocol))
      throw new TypeError(`${url} is no URL of HTTP: it must begin with http:// or https://`)
    if (!Number.isSafeInteger(retries) || retries < 0)
      throw new RangeError(`retries is ${retries}: it must be 0 or more`)
    new Deadline(timeoutMs, undefined).end()
    this.#base = origin + pathname.replace(/\/+$/, '')
    this.timeoutMs = timeoutMs
    this.#token = token
    this.#retries = retries
    this.#retryIf = retryIf ?? (() => true)
    // A browser's `fetch` must not be called as a method of another object.
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init))
  }

  /**
   * Sends a request until it succeeds or no other try makes sense.
   * @param verb a method of HTTP
   * @param path begins with `/`; it may have a query
   * @param read takes the answer; where it fails because the connection ends, that is a failed try
   * @throws PlaneError; the reason of the caller's signal
   */
  async send<T>(
    verb: string,
    path: string,
    options: RequestOptions,
    deadline: Deadline,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { body, contentType } = encode(options.body)
    const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    const headers = headersOf({ ...options.headers, ...authorization })
    if (contentType !== undefined) headers['content-type'] ??= contentType
    const method = verb.toUpperCase()
    const [route = ''] = path.split('?', 1)
    const invocation = invocationOf(method, route)
    // A batch has no key: each of its lines is a job.
    const isBatch = headers['content-type']?.startsWith('application/x-ndjson') ?? false
    if (invocation === 'cast' && !isBatch) headers['idempotency-key'] ??= newKey()

    const kind = requestKind(method, route, options.idempotent === true || headers['idempotency-key'] !== undefined)
    const maxRetries = options.retry === false || isStream(body) ? 0 : this.#retries
    const url = new URL(this.#base + path)
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const init: RequestInit = { method, headers, redirect: 'manual', signal: deadline.signal }
    if (body !== undefined) init.body = body
    if (isStream(body)) Object.assign(init, { duplex: 'half' })

    for (let retries = 0; ; retries += 1) {
      if (invocation !== undefined) headers['request-timeout'] = requestTimeout(deadline.leftMs)
      const result = await this.#try(url.href, init, read)
      if ('value' in result) return result.value
      const mayRetry = retries < maxRetries && this.#retryIf(result.error)
      const delayMs = mayRetry ? retryDelayMs(result.outcome, kind, retries, Math.random()) : undefined
      // A wait until after the deadline would only hide the error.
      if (delayMs === undefined || delayMs >= deadline.leftMs) throw result.error
      await sleep(delayMs, deadline.signal)
    }
  }

  async #try<T>(
    url: string,
    init: RequestInit,
    read: (response: Response) => Promise<T>,
  ): Promise<{ value: T } | { outcome: Outcome; error: PlaneError }> {
    const { signal } = init
    try {
      const response = await this.#fetch(url, init)
      if (response.ok) return { value: await read(response) }
      const error = errorOfProblem(response.status, await response.text(), response.headers.get('retry-after'))
      const { started, retryable, retryAfterMs } = error
      return { outcome: { kind: 'answer', status: response.status, started, retryable, retryAfterMs }, error }
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason
      if (thrown instanceof PlaneError) throw thrown
      const error = networkError(url, thrown)
      return { outcome: { kind: error.code === 'UNREACHABLE' ? 'refused' : 'lost' }, error }
    }
  }
}

function isStream(body: unknown): body is ReadableStream {
  return typeof (body as Partial<ReadableStream> | undefined)?.getReader === 'function'
}

function encode(body: unknown): { body?: NonNullable<RequestInit['body']>; contentType?: string } {
  if (body === undefined) return {}
  if (body instanceof Uint8Array || isStream(body)) {
    return { body: body as NonNullable<RequestInit['body']>, contentType: 'application/octet-stream' }
  }
  return { body: JSON.stringify(body), contentType: 'application/json' }
}

function requestTimeout(leftMs: number): string {
  const marginMs = Math.min(ANSWER_MARGIN_MS, leftMs * ANSWER_MARGIN_PART)
  return `${Math.max(Math.floor(leftMs - marginMs), 1)}ms`
}

/** `crypto.randomUUID` is missing in a page that did not come over HTTPS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `"${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}"`
}

/** @throws PlaneError INVALID_ANSWER */
export async function readJson(response: Response): Promise<unknown> {
  const text = await response.text()
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    const facts = { status: response.status, code: 'INVALID_ANSWER', retryable: false, cause } as const
    throw new PlaneError(`the answer of ${response.url} is no JSON`, facts)
  }
}
