/** The server as a process: settings → server → listen → signals. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createLogger } from '../log.ts'
import type { ServerMessage } from '../contract/server-message.ts'
import type { Registry } from '../registry/registry.ts'
import { buildServer } from './build-server.ts'
import type { Server } from './options.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import { within } from '../async/deadline.ts'

/** How long the termination of threads is waited for, out of the time of a shutdown: at most a quarter of it. */
const END_WITHIN_MS = 500
/** Of a shutdown because of an error. */
const END_AFTER_ERROR_MS = 1_000
/** The supervisor process hears of its services no more often. */
const TELL_EVERY_MS = 100
/** A supervisor process that is stopped does not read: its server goes on without waiting longer. */
const TELL_WITHIN_MS = 1_000
/** Services that are named to it, and in the log; of more, only the number. */
const MAX_NAMED = 100
/** A process that meets one of these has no event loop to close with: it dies, and is brought back. */
const DEADLY_SIGNALS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const

/** Resolves once the message is on its way. */
export type Tell = (message: ServerMessage) => Promise<void>

/** @param tell where there is a supervisor process, which wants to know */
export async function serve(config: Config, tell?: Tell): Promise<void> {
  const log = createLogger(config)
  const bundled = fileURLToPath(new URL('../../workers/', import.meta.url))
  const server = await buildServer({
    workers: config.workers || bundled,
    data: config.data,
    log,
    maxBodyBytes: config.maxBodyBytes,
    maxConnections: config.maxConnections,
    insecure: config.insecure,
    chaos: config.chaos,
    showStacks: config.showStacks,
    keepJobsMs: config.keepJobsMs,
  })
  const { app, registry } = server
  closeOnSignals(server, config, log, tell)
  if (config.insecure) log.warn('THREADPLANE_INSECURE is true: whoever can reach this server can do anything with it')
  const address = await app.listen({ host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close()
    throw error
  })
  void tell?.({ type: 'listening', port: (app.server.address() as AddressInfo).port })
  if (tell !== undefined) void tellOfServices(registry, tell)
  await registry.startAll()
  if (registry.closing) return
  const states = statesOf(registry)
  // The supervisor process knows what a reader of the log knows, so that its report of a crash right after agrees.
  if (tell !== undefined) await within(tell({ type: 'services', states }), TELL_WITHIN_MS)
  log.info(`services: ${states}`)
  if (!config.workers) for (const line of tryThis(address)) log.info(line)
}

/** What a newcomer does next. */
function tryThis(address: string): string[] {
  return [
    `try: curl ${address}/v1/services/primes/call/count -H 'content-type: application/json' -d '{"below": 1000000}'`,
    `try: curl ${address}/v1/services`,
    `try: ${address}/docs in a browser`,
  ]
}

function statesOf({ services }: Registry): string {
  const named = services.slice(0, MAX_NAMED).map(({ name, state }) => `${name} ${state}`)
  if (services.length > MAX_NAMED) named.push(`and ${services.length - MAX_NAMED} more`)
  return named.join(', ') || 'none'
}

/** The latest states, whenever they have changed and the last ones have been taken: never a backlog (P5). */
async function tellOfServices(registry: Registry, tell: Tell): Promise<void> {
  for (;;) {
    const changed = once(registry, 'state')
    await tell({ type: 'services', states: statesOf(registry) })
    await changed
    await sleep(TELL_EVERY_MS, undefined, { ref: false })
  }
}

/** Readiness fails at once, what runs is finished, threads are stopped. A second signal ends the process now. */
function closeOnSignals({ app, registry }: Server, config: Config, log: Logger, tell?: Tell): void {
  closeWithGrace(
    {
      delay: false,
      logger: false,
      skip: [...DEADLY_SIGNALS],
      onSecondSignal: () => process.kill(process.pid, 'SIGKILL'),
    },
    async ({ signal, err }) => {
      if (err) log.fatal({ err }, 'the server fails')
      else {
        void tell?.({ type: 'closing' })
        log.info(`${signal}: closing`)
      }
      // After an error of its own nothing it does is to be relied on: who restarts it is not to wait.
      const shutdownTimeoutMs = Math.min(config.shutdownTimeoutMs, err ? END_AFTER_ERROR_MS : Number.POSITIVE_INFINITY)
      const closed = app.close()
      const endMs = Math.min(END_WITHIN_MS, shutdownTimeoutMs / 4)
      const inTime = await within(closed, shutdownTimeoutMs - endMs)
      if (inTime) log.info('closed')
      else log.error('what still runs is ended: the shutdown took longer than THREADPLANE_SHUTDOWN_TIMEOUT')
      // Retired threads may be left all the same: what they still run has no claim on anybody's time.
      for (const service of registry.services) service.abandon()
      await within(Promise.all([endThreads(), closed]), endMs)
      // `process.exit` waits for threads, and one in native code never ends: then only a signal ends the process.
      if (ServiceWorker.alive.size > 0) process.kill(process.pid, 'SIGKILL')
    },
  )
}

/** Whoever waits for them goes on then, and closes the journal. */
async function endThreads(): Promise<void> {
  await Promise.all([...ServiceWorker.alive].map((worker) => worker.terminate()))
}
