/**
 * Bodies are JSON, or are not there: a POST without one is fine, whatever its content type says. The text is kept: it
 * is what goes on to a thread and to the journal, as a text is copied for less than what it says.
 */
import { errorCodes, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came; without one there are no arguments. */
    bodyText: string
  }
}

export const jsonBody = fp(async (app) => {
  app.decorateRequest('bodyText', '{}')
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
      if (body.length === 0) return done(null, undefined)
      request.bodyText = body
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
