/** Runs a server in this process: reads the configuration, builds, listens, starts the services, closes on signals. */
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { readAdminToken } from '../auth/admin-token.ts'
import { Tokens } from '../auth/tokens.ts'
import { type Config, isLoopback } from '../config.ts'
import { packageVersion } from '../system/package-version.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import { createLogger } from '../log.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { buildServer } from './build-server.ts'
import { closeOnSignals } from './close-on-signals.ts'
import { identityOf, readNodeTls } from './node-settings.ts'
import type { Server } from './options.ts'
import { type Report, reportServices, statesOf } from './report-to-launcher.ts'

/** A launcher that was stopped with SIGSTOP reads no reports: the start of the server waits no longer than this. */
const REPORT_WITHIN_MS = 1_000

/**
 * Resolves when the services have started, or have failed to. Signals end the server, and the process.
 * @param report how to reach the launcher, if there is one
 */
export async function serve(config: Config, report?: Report, logger = createLogger(config)): Promise<Server> {
  const bundledWorkers = fileURLToPath(new URL('../../workers/', import.meta.url))
  const traces = config.traces ? await openTraces() : undefined
  const tokens = await openTokens(config, logger)
  const nodeTls = config.databaseUrl === '' ? undefined : await readNodeTls(config)
  const server = await buildServer({
    tokens,
    traces,
    workers: config.workers || bundledWorkers,
    data: config.data,
    ...(config.databaseUrl !== '' && {
      database: {
        url: config.databaseUrl,
        schema: config.databaseSchema,
        connections: config.databaseConnections,
        allowUnsafe: config.unsafeDatabase,
        node: identityOf(config),
        leaseMs: config.leaseMs,
      },
      ...(nodeTls !== undefined && { nodeTls }),
    }),
    log: logger,
    ...(config.logLevel !== 'silent' && { logLevel: config.logLevel }),
    maxBodyBytes: config.maxBodyBytes,
    maxBodiesBytes: config.maxBodiesBytes,
    maxConnections: config.maxConnections,
    maxServices: config.maxServices,
    maxStreams: config.maxStreams,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
    // Of a host such as 0.0.0.0, the guard allows the address that a connection has reached.
    allowedHosts: [...config.allowedHosts, config.host.toLowerCase()],
    origins: config.origins,
    chaos: config.chaos,
    showStacks: config.showStacks,
    requestLog: config.requestLog,
    keepJobsMs: config.keepJobsMs,
  })
  const { app, registry, log } = server
  closeOnSignals(server, config, logger, report)
  if (config.insecure && !tokens.asked) {
    log.warn('THREADPLANE_INSECURE is true: anybody who can reach this server can do anything with it')
  }
  const address = await app.listen({ host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close()
    throw explained(error as NodeJS.ErrnoException, config)
  })
  await server.nodeApp?.listen({ host: config.host, port: config.nodePort }).catch(async (error: unknown) => {
    await app.close()
    throw explained(
      error as NodeJS.ErrnoException,
      { host: config.host, port: config.nodePort },
      'THREADPLANE_NODE_PORT',
    )
  })
  void report?.({ type: 'listening', port: (app.server.address() as AddressInfo).port })
  if (report !== undefined) void reportServices(registry, report)
  await registry.startAll()
  if (registry.closing) return server
  const states = statesOf(registry)
  // Report before logging: if the server dies after this line of the log, the launcher's report of the death agrees.
  if (report !== undefined) await resolvesWithin(report({ type: 'services', states }), REPORT_WITHIN_MS)
  log.info(`services: ${states}`)
  const own = registry.services.find(({ state }) => state === 'running')
  const first = !config.workers
    ? `/v1/services/primes/call/count -H 'content-type: application/json' -d '{"below": 1000000}'`
    : own && `/v1/services/${own.name}/methods`
  for (const line of suggestions(address, first, tokens.asked)) log.info(line)
  return server
}

async function openTraces(): Promise<Traces> {
  const { OpenTelemetry } = await import('../telemetry/open-telemetry.ts')
  return new OpenTelemetry(packageVersion())
}

/** @throws Error if other machines could reach the server, and need no token */
async function openTokens(config: Config, log: ServiceLog): Promise<Tokens> {
  const { host, tokens: file, adminTokenFile, insecure } = config
  const adminToken = config.adminToken || (adminTokenFile && (await readAdminToken(adminTokenFile, log))) || undefined
  // The environment of this process is also that of the services.
  delete process.env.THREADPLANE_ADMIN_TOKEN
  delete process.env.THREADPLANE_DATABASE_URL
  const tokens = await Tokens.open({ file, adminToken, log })
  if (tokens.asked || insecure || isLoopback(host)) return tokens
  tokens.close()
  throw new Error(
    `THREADPLANE_HOST is ${host}: without tokens the server listens only on a loopback address. ` +
      'Make a token first: threadplane token create admin --scope admin. ' +
      'THREADPLANE_INSECURE=true allows this address without tokens, and then anybody who can reach it can do anything with the server',
  )
}

/** What cannot be listened on, and the setting to change. */
function explained(
  error: NodeJS.ErrnoException,
  { host, port }: Pick<Config, 'host' | 'port'>,
  setting = 'THREADPLANE_PORT',
): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} of ${host} is in use: set ${setting} to another port`, { cause: error })
    case 'EACCES':
      return new Error(`port ${port} may not be used by this user: set ${setting} to 1024 or more`, {
        cause: error,
      })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is no address of this machine: set THREADPLANE_HOST to one`, { cause: error })
    default:
      return error
  }
}

/** First requests to try. @param first the path of a request to a service, if there is a service */
function suggestions(address: string, first: string | undefined, asksForTokens: boolean): string[] {
  const token = asksForTokens ? ` -H "authorization: Bearer $TOKEN"` : ''
  return [
    ...(first === undefined ? [] : [`try: curl ${address}${first}${token}`]),
    `try: curl ${address}/v1/services${token}`,
    `try: ${address} in a browser`,
  ]
}
