/**
 * The node listener: the same routes for the other nodes of the cluster. What was done on the first node is not done here
 * again: tokens, rate limits, the log and the count of requests. A call that arrives here runs here or is refused: it is
 * never sent on a second time.
 *
 * Loaded only by a server that is a node of a cluster.
 */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { routes, type RoutesOptions, streamRoutes } from '../../routes/index.ts'
import type { AuditTrail } from '../auth/audit-trail.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { RESUMED_PREFIX } from '../contract/node-headers.ts'
import { audit } from '../http/audit.ts'
import { jsonBody } from '../http/json-body.ts'
import { nodeGuard } from '../http/node-guard.ts'
import { type Registry, shuttingDown } from '../registry/registry.ts'
import { createFastify, registerLimits } from './create-fastify.ts'
import type { ServerOptions } from './options.ts'

export interface NodeAppParts {
  /** What other nodes must show. */
  token: string
  trail: AuditTrail
  /** The options of the routes for clients. */
  routesOptions: RoutesOptions
}

/** It does not listen. It closes its connections, and nothing else. */
export async function buildNodeApp(options: ServerOptions, parts: NodeAppParts): Promise<FastifyInstance> {
  const { log } = options
  const { token, trail, routesOptions } = parts
  const forNodes = { tls: options.nodeTls }
  const app = createFastify(options, forNodes)
  // Changes have their rows on the first node. Here only those have one who are no nodes.
  const record: AuditTrail['record'] = (row) => {
    if (row.outcome === 'refused') trail.record(row)
  }
  await app.register(audit, { record, asksForTokens: () => true })
  await registerLimits(app, options, log, 'ofNodes')
  await app.register(nodeGuard, { token })
  await app.register(jsonBody)
  await app.register(refuseAtShutdown, { registry: routesOptions.registry })
  await app.register(routes, {
    ...routesOptions,
    forwarder: undefined,
    plane: undefined,
    peerEvents: undefined,
    credentials: undefined,
  })
  // For clients that have begun with this node, and come back to another one: with the events of all nodes.
  await app.register(streamRoutes, { ...routesOptions, prefix: RESUMED_PREFIX })
  app.addHook('preClose', async () => {
    app.clients.startClosing()
    await app.clients.finishClosing()
  })
  app.addHook('onListen', async () => {
    for (const { address, port } of app.addresses() as AddressInfo[]) {
      log.info(`listening for other nodes at ${address}, port ${port}`)
    }
  })
  return app
}

/** Unlike for clients, the answer says that nothing has begun: the first node may try another one. */
const refuseAtShutdown = fp<{ registry: Registry }>(async (app, { registry }) => {
  app.addHook('onRequest', ({ method }, _reply, done) => {
    if (!registry.closing || method === 'GET' || method === 'HEAD') return done()
    const { code, message, facts } = shuttingDown()
    done(new ThreadplaneError(code, message, { ...facts, started: false }))
  })
})
