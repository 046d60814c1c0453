/** The error answers of a route, as response schemas for the OpenAPI document. */
import { Type } from '@sinclair/typebox'
import { ERRORS, type ErrorCode } from '../contract/errors.ts'
import { PROBLEM_TYPE } from './problem-document.ts'

const CODES = Object.keys(ERRORS) as ErrorCode[]

/** Every route may answer with these. */
const CODES_OF_EVERY_ROUTE: ErrorCode[] = [
  'MALFORMED_HEADER',
  'FORBIDDEN',
  'REQUEST_TIMEOUT',
  'INTERNAL',
  'TOO_MANY_CONNECTIONS',
  'TOO_MANY_BODIES',
  'SHUTTING_DOWN',
]

/** Every route that may be sent a body may answer with these, whether it uses the body or not. */
export const CODES_OF_A_BODY = ['MALFORMED_BODY', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const

/** Every route that asks for a token may answer with these. */
export const CODES_OF_A_TOKEN = ['UNAUTHORIZED', 'QUOTA_EXCEEDED'] as const

interface ProblemResponse {
  description: string
  headers?: object
  content: object
}

/** Response schemas by status, for these codes and those of every route. */
export function problems(...codes: ErrorCode[]): Record<number, ProblemResponse> {
  const possible = new Set([...codes, ...CODES_OF_EVERY_ROUTE])
  const statuses = new Set([...possible].map((code) => ERRORS[code].status))
  return Object.fromEntries(
    [...statuses].map((status) => [
      status,
      {
        description: CODES.filter((code) => possible.has(code) && ERRORS[code].status === status).join(', '),
        ...((status === 503 || status === 429) && {
          headers: { 'Retry-After': { type: 'integer', description: 'Seconds after which to try again' } },
        }),
        content: { [PROBLEM_TYPE]: { schema: Type.Ref('Problem') } },
      },
    ]),
  )
}

/** The response schemas of a route, with the codes added where they are missing. */
export function withProblems(responses: object, codes: readonly ErrorCode[]): Record<number, object> {
  const documented = { ...responses } as Record<number, { description?: string }>
  for (const code of codes) {
    const { status } = ERRORS[code]
    const { [status]: known = problems(code)[status] as ProblemResponse } = documented
    const { description = '' } = known
    documented[status] = description.includes(code) ? known : { ...known, description: `${code}, ${description}` }
  }
  return documented
}
