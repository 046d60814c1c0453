/**
 * Answers every error of a route or a hook, every unknown path and every wrong HTTP method with a problem document (P6).
 * Errors of Fastify and of the schemas of routes become a ThreadplaneError here.
 */
import { maxHeaderSize } from 'node:http'
import fp from 'fastify-plugin'
import createRouter, { type HTTPMethod } from 'find-my-way'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { ServiceLog } from '../contract/log.ts'
import { type ErrorCode, type PayloadIssue, ThreadplaneError } from '../contract/errors.ts'
import { SEND_JSON } from '../payload/media-types.ts'
import { type Problem, problemHeaders, toProblem } from './problem-document.ts'
import { CODES_OF_A_BODY, CODES_OF_A_TOKEN, withProblems } from './problem-responses.ts'
import { asSeen } from './token-guard.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The error that it was answered with. */
    problem: ThreadplaneError | undefined
  }
  interface FastifyInstance {
    /** The problem document of an error that is only a part of an answer: of a stream, or of a batch. */
    problemOf: (error: ThreadplaneError, request: FastifyRequest) => Problem
  }
}

export interface ErrorHandlerOptions {
  log: ServiceLog
  /** Show the stack of an error that a method threw. */
  showStacks: boolean
}

export const errorHandler = fp<ErrorHandlerOptions>(async (app, { log, showStacks }) => {
  const problemOf = (error: ThreadplaneError, request: FastifyRequest) => {
    const { url, params } = request
    const { service, method, id: jobId } = (params ?? {}) as Record<string, string | undefined>
    return toProblem(asSeen(error, request), url, showStacks, {
      ...(service !== undefined && { service }),
      ...(method !== undefined && { method }),
      ...(jobId !== undefined && { jobId }),
    })
  }
  app.decorate('problemOf', problemOf)
  app.decorateRequest('problem', undefined)

  const send = (request: FastifyRequest, reply: FastifyReply, error: ThreadplaneError) => {
    // Fastify would close the connection of a client that still sends its body, and the client might miss the answer.
    // Instead the rest of the body is read and discarded, for as long as `slow-clients.ts` allows.
    if (!request.raw.complete) reply.removeHeader('connection')
    app.auditProblem(request, error)
    request.problem = error
    const body = JSON.stringify(problemOf(error, request))
    return reply.code(error.status).headers(problemHeaders(error)).serializer(String).send(body)
  }

  app.setErrorHandler<FastifyError>((thrown, request, reply) => {
    const error = toThreadplaneError(thrown, request)
    if (error.code === 'INTERNAL') {
      log.error({ err: thrown, url: request.url }, 'internal error: the server failed to answer a request')
    }
    return send(request, reply, error)
  })

  // A second router: it knows which HTTP methods a path has, to tell 405 from 404.
  const routes = createRouter({ maxParamLength: maxHeaderSize })
  app.addHook('onRoute', ({ method, url, schema, config }) => {
    const methods = [method].flat() as HTTPMethod[]
    for (const one of methods) if (!routes.hasRoute(one, url)) routes.on(one, url, () => {})
    // The body of any request is read, so any route with a body may answer with the problems of a body.
    if (!schema?.response) return
    const codes = [
      ...(methods.includes('GET') ? [] : CODES_OF_A_BODY),
      ...(config?.scope === 'none' ? [] : CODES_OF_A_TOKEN),
    ]
    schema.response = withProblems(schema.response, codes)
  })

  const answerNotFound = (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?')[0] as string
    const methods = (['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter((one) => routes.find(one, path))
    // A route that exists may answer 404 itself: /docs does, for a file that does not exist.
    if (methods.length === 0 || methods.some((one) => one === request.method)) {
      return send(
        request,
        reply,
        new ThreadplaneError('ROUTE_NOT_FOUND', `there is no route ${path}: see ${app.prefix}/docs`),
      )
    }
    const allowed = methods.join(', ')
    reply.header('allow', allowed)
    const detail = `${path} does not accept ${request.method}: it accepts ${allowed}`
    return send(request, reply, new ThreadplaneError('METHOD_NOT_ALLOWED', detail))
  }
  app.setNotFoundHandler(answerNotFound)
  // Answer before the body is parsed: the 404 goes before anything that may be wrong with the body.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (request.is404) void answerNotFound(request, reply)
    else done()
  })
})

const CODE_OF_FASTIFY_ERROR: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_BODY',
  FST_ERR_BAD_URL: 'ROUTE_NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'ROUTE_NOT_FOUND',
}

/**
 * Of errors that a plugin answers with, for a fault of the request: of its path if the status is 400. Other statuses
 * from 401 to 499 become 400.
 */
const CODE_OF_STATUS: Record<number, ErrorCode> = {
  400: 'ROUTE_NOT_FOUND',
  403: 'FORBIDDEN',
  404: 'ROUTE_NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  412: 'PRECONDITION_FAILED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  416: 'RANGE_NOT_SATISFIABLE',
}

function toThreadplaneError(error: FastifyError, request: FastifyRequest): ThreadplaneError {
  if (error instanceof ThreadplaneError) return error
  if (error.validation !== undefined) return validationError(error)
  const code = CODE_OF_FASTIFY_ERROR[error.code]
  if (code === 'UNSUPPORTED_MEDIA_TYPE') {
    const contentType = request.headers['content-type'] ?? 'none'
    return new ThreadplaneError(code, `the content type is ${contentType}: ${SEND_JSON}`)
  }
  if (code === 'PAYLOAD_TOO_LARGE') {
    const { bodyLimit } = request.routeOptions
    return new ThreadplaneError(
      code,
      `the body is larger than ${bodyLimit} bytes, the limit of this route; THREADPLANE_MAX_BODY is that of payloads`,
    )
  }
  if (code !== undefined) return new ThreadplaneError(code, error.message)
  const { statusCode = 500 } = error
  if (statusCode >= 400 && statusCode <= 499) {
    const ofStatus = CODE_OF_STATUS[statusCode] ?? 'MALFORMED_HEADER'
    return new ThreadplaneError(ofStatus, `the request was refused: ${error.message || statusCode}`)
  }
  const detail =
    'the server failed to answer this request, through a fault of its own: the log of the server has the error'
  return new ThreadplaneError('INTERNAL', detail, { cause: error })
}

/** The JSON Schema of a route refused the body, the headers or the query. */
function validationError({ validation = [], validationContext, message }: FastifyError): ThreadplaneError {
  const errors: PayloadIssue[] = validation.map(({ instancePath, message: why = 'is refused', params }) => {
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
