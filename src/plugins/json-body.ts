/**
 * Bodies are JSON, or are not there: a POST without one is fine, whatever its content type says. The text is kept: it
 * is what goes on to a thread and to the journal, as a text is copied for less than what it says.
 */
import { errorCodes, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../errors.ts'
import { isTooDeep, MAX_JSON_DEPTH } from '../json-depth.ts'
import { JSON_TYPE } from '../media-types.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came; without one there are no arguments. */
    bodyText: string
  }
  interface FastifyInstance {
    /** Of what a client sent; no prototype can be reached with it. @throws MALFORMED_BODY */
    parseJson: (text: string) => unknown
  }
}

/** Of a content type. */
const OTHER_CHARSET = /;\s*charset\s*=\s*(?!"?utf-?8"?\s*(?:;|$))/i

/** Why it could not be parsed: the parser of Fastify does not say. */
function refusal(text: string): ThreadplaneError {
  let why = 'the JSON has a key that would reach a prototype, such as __proto__'
  try {
    JSON.parse(text)
  } catch (error) {
    why = `this is not well-formed JSON: ${(error as Error).message}`
  }
  return new ThreadplaneError('MALFORMED_BODY', why)
}

export const jsonBody = fp(async (app) => {
  app.decorateRequest('bodyText', '{}')
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error') as (
    request: FastifyRequest | undefined,
    body: string,
    done: (error: Error | null, value?: unknown) => void,
  ) => void
  const parseJson = (text: string): unknown => {
    if (isTooDeep(text)) {
      throw new ThreadplaneError('MALFORMED_BODY', `JSON is taken up to ${MAX_JSON_DEPTH} levels deep`)
    }
    let parsed: unknown
    let refused = false
    parse(undefined, text, (error, value) => {
      refused = error !== null
      parsed = value
    })
    if (refused) throw refusal(text)
    return parsed
  }
  app.decorate('parseJson', parseJson)
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'string' }, (request: FastifyRequest, body: string, done) => {
    if (body.length === 0) return done(null, undefined)
    if (OTHER_CHARSET.test(request.headers['content-type'] ?? '')) {
      return done(new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', 'JSON is taken in UTF-8, in no other charset'))
    }
    // What goes on is read by a plain parser.
    const text = body.startsWith('\ufeff') ? body.slice(1) : body
    let value: unknown
    try {
      value = parseJson(text)
    } catch (error) {
      return done(error as Error)
    }
    request.bodyText = text
    done(null, value)
  })
  app.addHook('onRequest', ({ method, headers, is404 }, _reply, done) => {
    const encoding = headers['content-encoding']
    if (encoding === undefined || encoding === 'identity' || method === 'GET' || method === 'HEAD' || is404) done()
    else
      done(new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', `Content-Encoding is ${encoding}: a body is taken as it is`))
  })
  app.addContentTypeParser('*', (request, _body, done) => {
    if (request.headers['content-length'] === '0') done(null, undefined)
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(request.headers['content-type']))
  })
})
