/** Every error answer, whoever raised it, is a problem document (P6). */
import { maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import createRouter, { type HTTPMethod } from 'find-my-way'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { ServiceLog } from '../contract/log.ts'
import { PROBLEM_TYPE, type Problem, toProblem, withBodyProblems } from './problem.ts'
import { type ErrorCode, type PayloadIssue, ThreadplaneError } from '../contract/errors.ts'
import { SEND_JSON } from '../payload/media-types.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The problem document of an error that is a part of an answer: of a stream, or of a batch. */
    problemOf: (error: ThreadplaneError, request: FastifyRequest) => Problem
  }
}

/** Seconds, where the error does not know better. */
const RETRY_AFTER_SECONDS = 1

export interface ProblemDetailsOptions {
  log: ServiceLog
  /** Show the stack of what a method threw. */
  showStacks: boolean
}

export const problemDetails = fp<ProblemDetailsOptions>(async (app, { log, showStacks }) => {
  const problemOf = (error: ThreadplaneError, { url, params }: FastifyRequest) => {
    // What the request is about, whoever has refused it.
    const { service, method, id: jobId } = (params ?? {}) as Record<string, string | undefined>
    const about = { ...(service !== undefined && { service }), ...(method !== undefined && { method }) }
    return toProblem(error, url, showStacks, { ...about, ...(jobId !== undefined && { jobId }) })
  }
  app.decorate('problemOf', problemOf)

  const send = (request: FastifyRequest, reply: FastifyReply, error: ThreadplaneError) => {
    const problem = problemOf(error, request)
    // Fastify would close the connection of a client that still sends, which then may not see why. The rest of the
    // body is read and dropped, as long as slow-clients allows.
    if (!request.raw.complete) reply.removeHeader('connection')
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
  const routes = createRouter({ maxParamLength: maxHeaderSize })
  app.addHook('onRoute', ({ method, url, schema }) => {
    const methods = [method].flat() as HTTPMethod[]
    for (const one of methods) if (!routes.hasRoute(one, url)) routes.on(one, url, () => {})
    // Whatever comes as a body is read, so that any of them may refuse it.
    if (schema?.response && !methods.includes('GET')) schema.response = withBodyProblems(schema.response)
  })

  const answerNotFound = (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?')[0] as string
    const methods = (['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter((one) => routes.find(one, path))
    // A route may answer so itself, of a file that is not there.
    if (methods.length === 0 || methods.some((one) => one === request.method)) {
      return send(request, reply, new ThreadplaneError('ROUTE_NOT_FOUND', `there is no route ${path}; see /docs`))
    }
    const allowed = methods.join(', ')
    reply.header('allow', allowed)
    const detail = `${path} does not take ${request.method}; it takes ${allowed}`
    return send(request, reply, new ThreadplaneError('METHOD_NOT_ALLOWED', detail))
  }
  app.setNotFoundHandler(answerNotFound)
  // A body that is meant for nobody is not read, and cannot be what is wrong with the request.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (request.is404) void answerNotFound(request, reply)
    else done()
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
    return new ThreadplaneError(code, `the content type is ${got}: ${SEND_JSON}`)
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
    const values = Array.isArray(allowedValues) ? `: ${allowedValues.map(String).join(', ')}` : ''
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
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) socket.destroy()
  else answerOnSocket(socket, ofNode(error))
}

function ofNode({ code, message }: NodeJS.ErrnoException): ThreadplaneError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new ThreadplaneError('REQUEST_TIMEOUT', 'the request did not arrive in time')
  }
  const why =
    code === 'HPE_HEADER_OVERFLOW'
      ? `its first line and its headers are larger than ${maxHeaderSize} bytes`
      : `this is not an HTTP request: ${message}`
  return new ThreadplaneError('MALFORMED_HEADER', why)
}

/** How long a client may take to read its answer before the connection is closed, whatever it still sends. */
const LINGER_MS = 500

/** For what no route can answer: written by hand, and the last of this connection. What still comes is no request. */
export function answerOnSocket(socket: Socket, error: ThreadplaneError, instance = ''): void {
  const problem = toProblem(error, instance, false)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(problem.status === 503 ? [`Retry-After: ${error.facts.retryAfterSeconds ?? RETRY_AFTER_SECONDS}`] : []),
    'Connection: close',
  ]
  // The first takes the parser's ear away, the second has what it reads past the ear read here.
  socket.removeAllListeners('data')
  socket.on('data', () => {})
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // A client that keeps its half open would hold the connection for ever.
  const closing = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(closing))
}
