/**
 * The plugin `threadplane/fastify`: mounts the routes of a server, with everything behind them, in another Fastify
 * application, under a prefix. It is a context of its own: hooks, parsers, schemas and the error handler of the
 * application stay as they are outside of it. docs/embedding.md says what is different from a server.
 */
import { join } from 'node:path'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Tokens } from '../auth/tokens.ts'
import { buildIn } from './build-server.ts'
import type { ServerOptions } from './options.ts'

/** What only a server of its own has. */
type OfServer = 'workers' | 'log' | 'tokens' | 'database' | 'cluster' | 'nodeTls' | 'maxConnections' | 'slowClients'

export interface ThreadplaneOptions extends Omit<ServerOptions, OfServer> {
  /** The folder of service modules. */
  services: string
  /** Default: the logger of the application. */
  log?: ServerOptions['log']
  /** The file of tokens. Default: `tokens.json` in the folder `data`. */
  tokens?: string
}

const plugin: FastifyPluginAsync<ThreadplaneOptions> = async (app, given) => {
  const { services, data, log = app.log, tokens: file = join(data, 'tokens.json'), ...options } = given
  if (app.prefix === '')
    throw new Error('threadplane needs a prefix: app.register(threadplane, { prefix: "/plane", … })')
  const tokens = await Tokens.open({ file, adminToken: undefined, log })
  // A plugin gets the instance without the type of its server.
  const host = app as unknown as FastifyInstance
  const { registry } = await buildIn(host, { ...options, workers: services, data, log, tokens }).catch(
    (error: unknown) => {
      tokens.close()
      throw error
    },
  )
  // The application is not kept waiting: calls wait for their services, and the probes tell of them.
  app.addHook('onReady', async () => void registry.startAll())
}

/** `app.register(threadplane, { prefix: '/plane', services: './services', data: '.threadplane' })` */
export const threadplane = fp(plugin, { name: 'threadplane', fastify: '5.x', encapsulate: true })
/** By default too, as other plugins are. @alias */
export default threadplane
