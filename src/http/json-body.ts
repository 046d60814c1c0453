/**
 * Bodies are JSON, or are not there: a POST without one is fine, whatever its content type says. The text is kept: it
 * is what goes on to a thread and to the journal, as a text is copied for less than what it says.
 */
import { errorCodes, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { JSON_TYPE } from '../payload/media-types.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came; without one there are no arguments. */
    bodyText: string
  }
}

/** Of a content type. */
const OTHER_CHARSET = /;\s*charset\s*=\s*(?!"?utf-?8"?\s*(?:;|$))/i

/** @throws UNSUPPORTED_MEDIA_TYPE */
export function checkCharset({ headers }: FastifyRequest): void {
  if (OTHER_CHARSET.test(headers['content-type'] ?? '')) {
    throw new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', 'JSON is taken in UTF-8, in no other charset')
  }
}

/** What the body says, of which the text is kept. @throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY */
export function takeJson(request: FastifyRequest, body: Uint8Array): unknown {
  if (body.byteLength === 0) return undefined
  checkCharset(request)
  const text = textOf(body)
  const value = parseJson(text)
  request.bodyText = text
  return value
}

/** Calls back with what a body comes to, or with why it comes to nothing. */
export function settle(done: (error: Error | null, value?: unknown) => void, take: () => unknown): void {
  let value: unknown
  try {
    value = take()
  } catch (error) {
    return done(error as Error)
  }
  done(null, value)
}

export const jsonBody = fp(async (app) => {
  app.decorateRequest('bodyText', '{}')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) =>
    settle(done, () => takeJson(request, body)),
  )
  app.addHook('onRequest', ({ method, headers, is404 }, _reply, done) => {
    const encoding = headers['content-encoding']
    if (
      encoding === undefined ||
      encoding.toLowerCase() === 'identity' ||
      method === 'GET' ||
      method === 'HEAD' ||
      is404
    )
      done()
    else
      done(new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', `Content-Encoding is ${encoding}: a body is taken as it is`))
  })
  app.addContentTypeParser('*', (request, body, done) => {
    const { headers } = request
    const accept = () => done(null, undefined)
    const refuse = () => {
      body.off('end', accept)
      done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type']))
    }
    if (headers['content-length'] === '0') accept()
    else if (headers['transfer-encoding'] === undefined) refuse()
    // Only its end tells whether there is one.
    else body.once('data', refuse).once('end', accept)
  })
})
