/** May the token of a request do something to the service that its query or body names, or to all services? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { forbidden, type Scopes } from '../../src/http/token-guard.ts'

/**
 * @param service `undefined`: all services
 * @throws SERVICE_NOT_FOUND for a service that the token does not see; FORBIDDEN if it lacks the scope
 */
export function checkService(
  { access }: FastifyRequest,
  reply: FastifyReply,
  scopes: Scopes,
  service: string | undefined,
): void {
  if (access === undefined || access.has(scopes, service)) return
  if (service === undefined) throw forbidden(reply, scopes, undefined, ' for all services: name one')
  if (access.sees(service)) throw forbidden(reply, scopes, service)
  throw new ThreadplaneError('SERVICE_NOT_FOUND', `there is no service ${JSON.stringify(service)}`)
}
