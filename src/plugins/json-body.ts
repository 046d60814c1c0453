/** Bodies are JSON, or are not there: a POST without one is fine, whatever its content type says. */
import { errorCodes, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Size of the body as it came, in UTF-16 units. */
    bodyBytes: number
  }
}

export const jsonBody = fp(async (app) => {
  app.decorateRequest('bodyBytes', 0)
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error') as (
    request: FastifyRequest,
    body: string,
    done: (error: Error | null, value?: unknown) => void,
  ) => void
  app.addContentTypeParser(
    /^application\/([\w.+-]+\+)?json(?=$|\s*;)/i,
    { parseAs: 'string' },
    (request: FastifyRequest, body: string, done) => {
      request.bodyBytes = body.length
      if (body.length === 0) return done(null, undefined)
      parse(request, body, (error, value) => {
        if (error === null) done(null, value)
        else done(new ThreadplaneError('MALFORMED_BODY', error.message))
      })
    },
  )
  app.addContentTypeParser('*', (request, _body, done) => {
    if (request.headers['content-length'] === '0') done(null, undefined)
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(request.headers['content-type']))
  })
})
