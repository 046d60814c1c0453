/** Runs a server in this process: reads the configuration, builds, listens, starts the services, closes on signals. */
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config.ts'
import { createLogger } from '../log.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { buildServer } from './build-server.ts'
import { closeOnSignals } from './close-on-signals.ts'
import { type Report, reportServices, statesOf } from './report-to-launcher.ts'

/** A launcher that was stopped with SIGSTOP reads no reports: the start of the server waits no longer than this. */
const REPORT_WITHIN_MS = 1_000

/** @param report how to reach the launcher, if there is one */
export async function serve(config: Config, report?: Report): Promise<void> {
  const log = createLogger(config)
  const bundledWorkers = fileURLToPath(new URL('../../workers/', import.meta.url))
  const server = await buildServer({
    workers: config.workers || bundledWorkers,
    data: config.data,
    log,
    maxBodyBytes: config.maxBodyBytes,
    maxConnections: config.maxConnections,
    maxServices: config.maxServices,
    // Of a host such as 0.0.0.0, the guard allows the address that a connection has reached.
    allowedHosts: [...config.allowedHosts, config.host.toLowerCase()],
    chaos: config.chaos,
    showStacks: config.showStacks,
    requestLog: config.requestLog,
    keepJobsMs: config.keepJobsMs,
  })
  const { app, registry } = server
  closeOnSignals(server, config, log, report)
  if (config.insecure) {
    log.warn('THREADPLANE_INSECURE is true: anybody who can reach this server can do anything with it')
  }
  const address = await app.listen({ host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close()
    throw error
  })
  void report?.({ type: 'listening', port: (app.server.address() as AddressInfo).port })
  if (report !== undefined) void reportServices(registry, report)
  await registry.startAll()
  if (registry.closing) return
  const states = statesOf(registry)
  // Report before logging: if the server dies after this line of the log, the launcher's report of the death agrees.
  if (report !== undefined) await resolvesWithin(report({ type: 'services', states }), REPORT_WITHIN_MS)
  log.info(`services: ${states}`)
  if (!config.workers) for (const line of suggestions(address)) log.info(line)
}

/** First requests to try, for somebody who runs the bundled services. */
function suggestions(address: string): string[] {
  return [
    `try: curl ${address}/v1/services/primes/call/count -H 'content-type: application/json' -d '{"below": 1000000}'`,
    `try: curl ${address}/v1/services`,
    `try: ${address}/docs in a browser`,
  ]
}
