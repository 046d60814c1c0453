/** Who sends a request: `GET /v1/me`, and the session of a web page, which changes a token into a cookie. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ThreadplaneError } from '../src/contract/errors.ts'
import type { Credential, Credentials } from '../src/http/credentials.ts'
import { problems } from '../src/http/problem-responses.ts'
import { Me } from './schemas/me.ts'

interface SessionRoutesOptions {
  credentials: Credentials | undefined
}

export const sessionRoutes: FastifyPluginAsyncTypebox<SessionRoutesOptions> = async (app, { credentials }) => {
  const me = Type.Ref('Me', { description: 'Who sent the request' })

  app.get('/me', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'getMe',
      tags: ['Access'],
      summary: 'The token of this request and its scopes',
      description: 'A server without tokens grants all scopes to everybody who reaches it.',
      response: { 200: me, ...problems() },
    },
    handler: async ({ credential }) => meOf(credential),
  })

  app.post('/session', {
    config: { scope: 'none' },
    schema: {
      operationId: 'signIn',
      tags: ['Access'],
      summary: 'Begin a session: a cookie with the rights of the token, for at most 12 hours',
      description:
        'For web pages of this server. A request with the cookie that is not GET or HEAD needs `Sec-Fetch-Site: same-origin`, which browsers send.',
      body: Type.Object({ token: Type.String({ maxLength: 200 }) }, { additionalProperties: false }),
      response: {
        200: me,
        ...problems(
          'MALFORMED_BODY',
          'UNAUTHORIZED',
          'CONFLICT',
          'PAYLOAD_TOO_LARGE',
          'UNSUPPORTED_MEDIA_TYPE',
          'VALIDATION_FAILED',
          'QUOTA_EXCEEDED',
        ),
      },
    },
    handler: async (request, reply) => {
      if (credentials?.asked !== true) {
        throw new ThreadplaneError('CONFLICT', 'this server asks for no tokens, so there are no sessions')
      }
      // For the audit.
      request.credential = await credentials.signIn(request.body.token, request, reply)
      return meOf(request.credential)
    },
  })

  app.delete('/session', {
    config: { scope: 'none' },
    schema: {
      operationId: 'signOut',
      tags: ['Access'],
      summary: 'End the session of the cookie',
      description: 'Without a cookie it does nothing.',
      response: { 204: Type.Null({ description: 'There is no session any more' }), ...problems() },
    },
    handler: async (request, reply) => {
      credentials?.signOut(request, reply)
      return reply.code(204).send(null)
    },
  })
}

function meOf(credential: Credential | undefined): Me {
  if (credential === undefined) return { token: null, via: 'open', scopes: ['admin'], expiresAt: null }
  const { token, via, expiresAt } = credential
  return {
    token: token.id,
    via,
    scopes: [...token.access.scopes],
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
  }
}
