/** Looks at no `Host` and no `Origin`. */
import fp from 'fastify-plugin'

export const loopbackGuard = fp(async () => {})
