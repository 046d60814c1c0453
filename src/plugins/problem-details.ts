/** Every error answer, whoever raised it, is a problem document (P6). */
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import createRouter, { type HTTPMethod } from 'find-my-way'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { PROBLEM_TYPE, toProblem } from '../problem.ts'
import { type ErrorCode, type PayloadIssue, ThreadplaneError } from '../errors.ts'
import type { ServiceLog } from '../service/service.ts'

/** Seconds, where the error does not know better. */
const RETRY_AFTER_SECONDS = 1

export interface ProblemDetailsOptions {
  log: ServiceLog
  /** Show the stack of what a method threw. */
  showStacks: boolean
}

export const problemDetails = fp<ProblemDetailsOptions>(async (app, { log, showStacks }) => {
  const send = (request: FastifyRequest, reply: FastifyReply, error: ThreadplaneError) => {
    const problem = toProblem(error, request.url, showStacks)
    if (problem.status === 429 || problem.status === 503) {
      reply.header('retry-after', error.facts.retryAfterSeconds ?? RETRY_AFTER_SECONDS)
    }
    return reply.code(problem.status).type(PROBLEM_TYPE).serializer(String).send(JSON.stringify(problem))
  }

  app.setErrorHandler<FastifyError>((thrown, request, reply) => {
    const error = toThreadplaneError(thrown, request)
    if (error.code === 'INTERNAL') log.error({ err: thrown, url: request.url }, 'internal error')
    return send(request, reply, error)
  })

  // A second router knows which HTTP methods a path has, to tell 405 from 404.
  const routes = createRouter()
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat() as HTTPMethod[]) if (!routes.hasRoute(one, url)) routes.on(one, url, () => {})
  })

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] as string
    const methods = (['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter((one) => routes.find(one, path))
    if (methods.length === 0) {
      return send(request, reply, new ThreadplaneError('ROUTE_NOT_FOUND', `there is no route ${path}; see /docs`))
    }
    const allowed = methods.join(', ')
    reply.header('allow', allowed)
    const detail = `${path} does not take ${request.method}; it takes ${allowed}`
    return send(request, reply, new ThreadplaneError('METHOD_NOT_ALLOWED', detail))
  })
})

const OF_FASTIFY: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_BODY',
  FST_ERR_BAD_URL: 'ROUTE_NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'ROUTE_NOT_FOUND',
}

function toThreadplaneError(error: FastifyError, request: FastifyRequest): ThreadplaneError {
  if (error instanceof ThreadplaneError) return error
  if (error.validation !== undefined) return validationError(error)
  const code = OF_FASTIFY[error.code]
  if (code === 'UNSUPPORTED_MEDIA_TYPE') {
    const got = request.headers['content-type'] ?? 'none'
    const how = "send application/json (with curl: -H 'content-type: application/json')"
    return new ThreadplaneError(code, `the content type is ${got}: ${how}`)
  }
  if (code === 'PAYLOAD_TOO_LARGE') {
    return new ThreadplaneError(
      code,
      `the body is larger than the ${request.routeOptions.bodyLimit} bytes of THREADPLANE_MAX_BODY`,
    )
  }
  if (code !== undefined) return new ThreadplaneError(code, error.message)
  if (error instanceof SyntaxError || error.statusCode === 400) {
    return new ThreadplaneError('MALFORMED_BODY', `the body is not JSON: ${error.message}`)
  }
  return new ThreadplaneError('INTERNAL', 'something went wrong in the server; its log says what', { cause: error })
}

/** Refused by the JSON Schema of a route: of its body, or else of its query or headers. */
function validationError({ validation = [], validationContext, message }: FastifyError): ThreadplaneError {
  const errors: PayloadIssue[] = validation.map(({ instancePath, message: why = 'It is refused', params }) => {
    const { additionalProperty, missingProperty, allowedValues } = params as Record<string, string | undefined>
    const name = additionalProperty ?? missingProperty
    const pointer = name === undefined ? instancePath : `${instancePath}/${escapePointer(name)}`
    const values = Array.isArray(allowedValues) ? `: ${allowedValues.join(', ')}` : ''
    return { pointer, message: `${why}${values}` }
  })
  if (validationContext === 'body') return new ThreadplaneError('VALIDATION_FAILED', message, { errors })
  const detail = errors.map(({ pointer, message: why }) => `${pointer.slice(1)}: ${why}`).join('; ')
  return new ThreadplaneError(validationContext === 'headers' ? 'MALFORMED_HEADER' : 'MALFORMED_QUERY', detail)
}

function escapePointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** What is not even HTTP never reaches a route; it gets its problem document all the same. */
export function answerMalformedRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const problem = toProblem(
    late
      ? new ThreadplaneError('REQUEST_TIMEOUT', 'the request did not arrive in time')
      : new ThreadplaneError('MALFORMED_HEADER', `this is not an HTTP request: ${error.message}`),
    '',
    false,
  )
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${late ? 'Request Timeout' : 'Bad Request'}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
