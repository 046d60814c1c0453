/** Who asks, as other nodes are told: they check no tokens themselves. */
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../../src/cluster/hop-headers.ts'

export function callerOf({ credential }: FastifyRequest): Caller | undefined {
  return credential && { id: credential.token.id, scopes: credential.token.access.scopes }
}
