/** Counts no requests: no hook, and nobody listens to Node's channel. */
import fp from 'fastify-plugin'

export const requestMetrics = fp(async () => {})
