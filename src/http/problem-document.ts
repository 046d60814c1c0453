/**
 * The problem document, the body of every error answer (RFC 9457, P6): its schema, its content, and the headers that go
 * with it. Two senders use it: `error-handler.ts` for requests that Fastify has parsed, `socket-errors.ts` for the others.
 */
import { type Static, Type } from '@sinclair/typebox'
import { ERRORS, type ErrorCode, type ErrorView, type ThreadplaneError, viewOfError } from '../contract/errors.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** Seconds, where the error does not name another number. */
const RETRY_AFTER_SECONDS = 1

/** An error that a method threw, with those that it contains. */
export const ErrorDetail = Type.Unsafe<ErrorView>(
  Type.Object(
    {
      name: Type.String(),
      message: Type.String(),
      code: Type.Optional(Type.String()),
      stack: Type.Optional(Type.String({ description: 'Present if THREADPLANE_SHOW_STACKS is true' })),
      cause: Type.Optional(Type.Ref('ErrorDetail')),
      errors: Type.Optional(Type.Array(Type.Ref('ErrorDetail'), { description: 'The errors of an AggregateError' })),
    },
    { $id: 'ErrorDetail', title: 'ErrorDetail' },
  ),
)

/** The codes of problems, and of the errors of jobs. */
export const ErrorCodeSchema = Type.Unsafe<ErrorCode>({
  $id: 'ErrorCode',
  title: 'ErrorCode',
  type: 'string',
  enum: Object.keys(ERRORS),
  description: 'The kind of problem, for programs. New codes may be added',
})

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URN that names the kind of problem' }),
    title: Type.String({ description: 'The kind of problem, in words' }),
    status: Type.Integer({ description: 'The HTTP status' }),
    detail: Type.String({ description: 'What happened to this request, and what to do about it' }),
    instance: Type.String({ description: 'The path of the request' }),
    code: Type.Unsafe<ErrorCode>(Type.Ref('ErrorCode')),
    reason: Type.Optional(
      Type.String({ description: 'With METHOD_REFUSED: the code that the method chose, such as DOCUMENT_NOT_FOUND' }),
    ),
    retryable: Type.Boolean({ description: 'True if the same request may succeed later' }),
    service: Type.Optional(Type.String()),
    method: Type.Optional(Type.String()),
    jobId: Type.Optional(Type.String()),
    started: Type.Optional(Type.Boolean({ description: 'True if the method had begun' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'A JSON pointer to the refused part of the payload' }),
          message: Type.String({ description: 'Why this part was refused' }),
        }),
      ),
    ),
    error: Type.Optional(
      Type.Unsafe<ErrorView>({
        allOf: [Type.Ref('ErrorDetail')],
        description: 'The error that the method threw, or that the start of the service failed with',
      }),
    ),
  },
  { $id: 'Problem', title: 'Problem' },
)
export type Problem = Static<typeof Problem>

type Subject = Pick<Problem, 'service' | 'method' | 'jobId'>

/**
 * The problem document of an error. The stack of an error that a method threw is shown only if `showStack` is true.
 * @param subject what the path of the request names; what the error itself names goes before
 */
export function toProblem(
  error: ThreadplaneError,
  instance: string,
  showStack: boolean,
  subject: Subject = {},
): Problem {
  const { retryAfterSeconds: _header, retryable: _retryable, ...facts } = error.facts
  const { cause } = error
  const showCause = cause instanceof Error && (error.code === 'METHOD_FAILED' || error.code === 'START_FAILED')
  return {
    type: `urn:threadplane:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    instance,
    code: error.code,
    retryable: error.retryable,
    ...subject,
    ...facts,
    ...(showCause && { error: viewOfError(cause, showStack) }),
  }
}

/** The headers of every answer whose body is a problem document. */
export function problemHeaders({ status, facts }: ThreadplaneError): Record<string, string> {
  return {
    'Content-Type': PROBLEM_TYPE,
    'X-Content-Type-Options': 'nosniff',
    ...((status === 429 || status === 503 || facts.retryAfterSeconds !== undefined) && {
      'Retry-After': String(facts.retryAfterSeconds ?? RETRY_AFTER_SECONDS),
    }),
  }
}
