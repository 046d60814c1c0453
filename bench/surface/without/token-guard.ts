/** Declares what routes ask for, and asks no request. */
import fp from 'fastify-plugin'
import { tokenGuard as whole } from '../../../src/http/token-guard.ts'

export * from '../../../src/http/token-guard.ts'

export const tokenGuard = fp(async (app) => {
  await app.register(whole, { credentials: undefined })
})
