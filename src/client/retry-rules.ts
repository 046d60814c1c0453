/**
 * Whether and when a request is sent again, as a pure function of what became of it. The loop is in `transport.ts`.
 *
 * | outcome | sent again |
 * | --- | --- |
 * | The connection was refused. | always |
 * | The connection was lost. | if the request is repeatable |
 * | 429, 503 | after `Retry-After`; not if that is longer than 60 s, or the server says that it is useless |
 * | 408, 502, 504 | a call only if its method had not begun; another request if it is repeatable |
 * | any other status | never |
 */

const FIRST_DELAY_MS = 200
const MAX_DELAY_MS = 5_000
/** A server that asks for a longer wait gets no other try: the caller decides. */
const MAX_RETRY_AFTER_MS = 60_000

/** What became of one try. */
export type Outcome =
  /** Nothing of the request has reached a server. */
  | { kind: 'refused' }
  /** The connection ended before the end of the answer: the server may have done what was asked. */
  | { kind: 'lost' }
  | {
      kind: 'answer'
      status: number
      /** Of the problem document; `undefined` where it says nothing. */
      started?: boolean | undefined
      retryable?: boolean | undefined
      retryAfterMs?: number | undefined
    }

export interface RequestKind {
  /** It runs a method, and its answer says whether the method had begun. */
  isCall: boolean
  /** To do it twice is the same as to do it once. */
  isRepeatable: boolean
}

/**
 * The delay in milliseconds before the request is sent again; `undefined`: it is not.
 * @param retries how often it was sent again already
 * @param random from 0 to 1: spreads the retries of many clients
 */
export function retryDelayMs(
  outcome: Outcome,
  { isCall, isRepeatable }: RequestKind,
  retries: number,
  random: number,
): number | undefined {
  const backoffMs = random * Math.min(FIRST_DELAY_MS * 2 ** retries, MAX_DELAY_MS)
  if (outcome.kind === 'refused') return backoffMs
  if (outcome.kind === 'lost') return isRepeatable ? backoffMs : undefined
  const { status, started, retryable, retryAfterMs = backoffMs } = outcome
  switch (status) {
    case 429:
    case 503:
      if (retryable === false || retryAfterMs > MAX_RETRY_AFTER_MS) return undefined
      return isCall && !isRepeatable && status === 503 && started === true ? undefined : retryAfterMs
    case 408:
    case 502:
    case 504:
      return (isCall ? started === false : isRepeatable) ? backoffMs : undefined
    default:
      return undefined
  }
}

const INVOCATION = /^\/v1\/services\/[^/]+\/(call|cast)\/[^/]+$/
/** Does its work once more each time. */
const CRASH = /^\/v1\/services\/[^/]+\/crash$/

/** @param path without a query */
export function invocationOf(method: string, path: string): 'call' | 'cast' | undefined {
  const [, invocation] = (method === 'POST' && INVOCATION.exec(path)) || []
  return invocation as 'call' | 'cast' | undefined
}

/**
 * @param path without a query
 * @param isIdempotent the request has an `Idempotency-Key`, or the caller says that to do it twice is harmless
 */
export function requestKind(method: string, path: string, isIdempotent: boolean): RequestKind {
  const invocation = invocationOf(method, path)
  return {
    isCall: invocation === 'call',
    isRepeatable: isIdempotent || (invocation === undefined && !(method === 'POST' && CRASH.test(path))),
  }
}

/** The milliseconds of a `Retry-After` header, which has seconds or a date; `undefined` if it is absent or neither. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(at - now, 0)
}
