/**
 * Requests to the server. Every refusal is an `ApiError` with the fields of the problem document; a server that cannot
 * be reached is an `ApiError` with the code `UNREACHABLE`.
 */
import type { Problem as ServerProblem } from '../../../src/http/problem-document.ts'

/** Where the page is served: `/`, or a longer path if the server is behind a prefix. Built files are in `assets/`. */
export const ROOT = import.meta.env.DEV ? '/' : new URL(/* @vite-ignore */ '../', import.meta.url).pathname

/** A problem document of the server, or a problem of the page itself with a code of its own. */
export type Problem = Pick<ServerProblem, 'title' | 'status'> &
  Partial<Omit<ServerProblem, 'code' | 'title' | 'status'>> & { code: string }

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly problem: Problem
  /** From `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(problem: Problem, retryAfterSeconds?: number) {
    super(problem.detail ?? problem.title)
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
  }

  get code(): string {
    return this.problem.code
  }
}

type QueryValue = string | number | boolean | null | undefined

export interface RequestOptions {
  query?: Record<string, QueryValue>
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is; name its type in `headers`. */
  body?: BodyInit
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** What is called on each 401: the page then asks for a token. */
let onSignedOut = () => {}
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener
}

/** The URL of a path of the server, such as `/v1/services`. */
export function urlOf(path: string, query: Record<string, QueryValue> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '')
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return ROOT + path.slice(1) + (search === '' ? '' : `?${search}`)
}

/** The answer with its status and headers, for streams and files. @throws ApiError */
export async function send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const { query, json, body, headers = {}, signal } = options
  const response = await fetch(urlOf(path, query), {
    method,
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
    credentials: 'same-origin',
    ...(json === undefined ? body !== undefined && { body } : { body: JSON.stringify(json) }),
    ...(signal && { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw unreachable()
  })
  if (response.ok) return response
  if (response.status === 401 && path !== '/v1/session') onSignedOut()
  throw await problemOf(response)
}

/** The JSON of an answer; `undefined` if there is none. @throws ApiError */
export async function request<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
  const response = await send(method, path, options)
  if (response.status === 204) return undefined as T
  return response.json().catch((error: unknown) => {
    if (options?.signal?.aborted) throw error
    throw unreachable()
  }) as Promise<T>
}

export const get = <T>(path: string, options?: RequestOptions) => request<T>('GET', path, options)
export const post = <T>(path: string, options?: RequestOptions) => request<T>('POST', path, options)

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/** Any error as a problem that can be shown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem
  return { title: 'The page failed', status: 0, code: 'PAGE_ERROR', detail: String((error as Error)?.message ?? error) }
}

function unreachable(): ApiError {
  const detail = 'The server did not answer. The page tries again by itself.'
  return new ApiError({
    title: 'The server cannot be reached',
    status: 0,
    code: 'UNREACHABLE',
    detail,
    retryable: true,
  })
}

async function problemOf(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined
  const { status } = response
  const fallback = { title: response.statusText || `Status ${status}`, status, code: `HTTP_${status}` }
  return new ApiError(problem?.code === undefined ? fallback : problem, Number.isNaN(seconds) ? undefined : seconds)
}
