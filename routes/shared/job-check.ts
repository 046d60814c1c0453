/** May the token of a request see or change a job? The service of a job is known only once the job has been read. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { auditAs } from '../../src/http/audit.ts'
import { forbidden, type Scopes } from '../../src/http/token-guard.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'

/** The check throws JOB_NOT_FOUND for a job of a service that the token does not see, and FORBIDDEN if it lacks the scope. */
export function jobCheck(dispatcher: Dispatcher) {
  return async (request: FastifyRequest, reply: FastifyReply, scopes: Scopes): Promise<void> => {
    const { access } = request
    if (access === undefined || access.has(scopes)) return
    const { id } = request.params as { id: string }
    const { service } = await dispatcher.get(id)
    if (request.method !== 'GET') auditAs(request, { service })
    if (access.has(scopes, service)) return
    if (access.sees(service)) throw forbidden(reply, scopes, service)
    throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
  }
}
