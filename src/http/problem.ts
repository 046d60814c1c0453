/** The one error format: RFC 9457 (P6). */
import { type Static, Type } from '@sinclair/typebox'
import { ERRORS, type ErrorCode, type ThreadplaneError } from '../contract/errors.ts'

export const PROBLEM_TYPE = 'application/problem+json'

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URN that names the kind of problem' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: 'The path of the request' }),
    code: Type.Unsafe<ErrorCode>({ type: 'string', enum: Object.keys(ERRORS) }),
    retryable: Type.Boolean({ description: 'May the same request succeed later?' }),
    service: Type.Optional(Type.String()),
    method: Type.Optional(Type.String()),
    jobId: Type.Optional(Type.String()),
    started: Type.Optional(Type.Boolean({ description: 'Did the method begin?' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'JSON pointer into the payload' }),
          message: Type.String(),
        }),
      ),
    ),
    error: Type.Optional(
      Type.Object(
        {
          name: Type.String(),
          message: Type.String(),
          code: Type.Optional(Type.String()),
          stack: Type.Optional(Type.String()),
        },
        { description: 'What the method, or the start, threw' },
      ),
    ),
  },
  { $id: 'Problem', title: 'Problem' },
)
export type Problem = Static<typeof Problem>

type About = Pick<Problem, 'service' | 'method' | 'jobId'>

/**
 * The problem document of an error. The stack of what a method threw is shown only when told to.
 * @param about what its request was about, where the error itself does not say
 */
export function toProblem(error: ThreadplaneError, instance: string, showStack: boolean, about: About = {}): Problem {
  const { retryAfterSeconds: _header, retryable: _retryable, ...facts } = error.facts
  const { cause } = error as { cause?: Error & { code?: unknown } }
  const showsCause = cause instanceof Error && (error.code === 'METHOD_FAILED' || error.code === 'START_FAILED')
  return {
    type: `urn:threadplane:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    instance,
    code: error.code,
    retryable: error.retryable,
    ...about,
    ...facts,
    ...(showsCause && {
      error: {
        name: cause.name,
        message: cause.message,
        ...(typeof cause.code === 'string' && { code: cause.code }),
        ...(showStack && cause.stack !== undefined && { stack: cause.stack }),
      },
    }),
  }
}

const CODES = Object.keys(ERRORS) as ErrorCode[]
/** What any route may answer: a malformed request, a foreign origin, a server that is full or closes, a fault of its own. */
const EVERYWHERE: ErrorCode[] = [
  'MALFORMED_HEADER',
  'FORBIDDEN',
  'REQUEST_TIMEOUT',
  'INTERNAL',
  'TOO_MANY_CONNECTIONS',
  'SHUTTING_DOWN',
]

interface ProblemResponse {
  description: string
  headers?: object
  content: object
}

/** Response schemas of the errors a route answers with, by status, for the OpenAPI document. */
export function problems(...codes: ErrorCode[]): Record<number, ProblemResponse> {
  const possible = new Set([...codes, ...EVERYWHERE])
  const statuses = new Set([...possible].map((code) => ERRORS[code].status))
  return Object.fromEntries(
    [...statuses].map((status) => [
      status,
      {
        description: CODES.filter((code) => possible.has(code) && ERRORS[code].status === status).join(', '),
        ...(status === 503 && {
          headers: { 'Retry-After': { type: 'integer', description: 'Seconds after which to try again' } },
        }),
        content: { [PROBLEM_TYPE]: { schema: Type.Ref('Problem') } },
      },
    ]),
  )
}

/** The response schemas of a route, and the refusals of a body where they lack them. */
export function withBodyProblems(responses: object): Record<number, object> {
  const documented = { ...responses } as Record<number, { description?: string }>
  for (const code of ['MALFORMED_BODY', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) {
    const { status } = ERRORS[code]
    const { [status]: known = problems(code)[status] as ProblemResponse } = documented
    const { description = '' } = known
    documented[status] = description.includes(code) ? known : { ...known, description: `${code}, ${description}` }
  }
  return documented
}
