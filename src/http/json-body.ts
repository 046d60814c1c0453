/**
 * Request bodies are JSON. A POST without a body is allowed, with any content type. The text of the body is kept with
 * the request, because threads and the journal get the text: a string is copied faster than the value that it encodes.
 */
import { errorCodes, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ThreadplaneError } from '../contract/errors.ts'
import { JSON_TYPE } from '../payload/media-types.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The JSON text of the body; `{}` if there is no body. */
    bodyText: string
  }
}

/** Matches a content type with a charset that is not UTF-8. */
const OTHER_CHARSET = /;\s*charset\s*=\s*(?!"?utf-?8"?\s*(?:;|$))/i

/** @throws UNSUPPORTED_MEDIA_TYPE if the body is not in UTF-8 */
export function checkCharset({ headers }: FastifyRequest): void {
  const contentType = headers['content-type'] ?? ''
  if (OTHER_CHARSET.test(contentType)) {
    throw new ThreadplaneError(
      'UNSUPPORTED_MEDIA_TYPE',
      `the content type is ${contentType}: JSON must be sent in UTF-8`,
    )
  }
}

/** Parses the body, and keeps its text as `request.bodyText`. @throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY */
export function readJson(request: FastifyRequest, body: Uint8Array): unknown {
  if (body.byteLength === 0) return undefined
  checkCharset(request)
  const text = textOf(body)
  const value = parseJson(text)
  request.bodyText = text
  return value
}

/** Calls `done`, the callback of a content type parser, with what `parse` returns or throws. */
export function finishParsing(done: (error: Error | null, value?: unknown) => void, parse: () => unknown): void {
  let value: unknown
  try {
    value = parse()
  } catch (error) {
    return done(error as Error)
  }
  done(null, value)
}

export const jsonBody = fp(async (app) => {
  app.decorateRequest('bodyText', '{}')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) =>
    finishParsing(done, () => readJson(request, body)),
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
      return done()
    const detail = `Content-Encoding is ${encoding}: send the body without a Content-Encoding`
    done(new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', detail))
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
    // A chunked body may be empty: only its first chunk, or its end, shows that.
    else body.once('data', refuse).once('end', accept)
  })
})
