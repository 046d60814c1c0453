#!/usr/bin/env node
/** The process: settings → server → listen → signals. The only module with side effects at import. */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { type Logger, pino } from 'pino'
import { type Config, readConfig } from './config.ts'
import { ThreadplaneError, toWireError } from './errors.ts'
import { buildServer, type Server } from './server.ts'
import { WorkerThread } from './service/worker-thread.ts'
import { within } from './within.ts'

/** How long the termination of threads is waited for. */
const END_WITHIN_MS = 1_000

const USAGE = `threadplane: an HTTP control plane for worker threads

  threadplane serve [folder]   serve the service modules of a folder; without one, the bundled ones

Settings are environment variables named THREADPLANE_…; the README has their table.`

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  })
  const [command, folder, ...more] = positionals
  if (values.help) console.log(USAGE)
  else if (command !== 'serve' || more.length > 0) {
    console.error(USAGE)
    process.exitCode = 2
  } else await serve(readConfig({ ...process.env, ...(folder !== undefined && { THREADPLANE_WORKERS: folder }) }))
} catch (error) {
  const { message, cause } = error as Error
  console.error(`threadplane: ${message}${cause instanceof Error ? `\n  because: ${cause.message}` : ''}`)
  process.exit(1)
}

async function serve(config: Config): Promise<void> {
  const log = createLogger(config)
  const bundled = fileURLToPath(new URL('../workers/', import.meta.url))
  const server = await buildServer({
    workers: config.workers || bundled,
    data: config.data,
    log,
    maxBodyBytes: config.maxBodyBytes,
    insecure: config.insecure,
    showStacks: config.showStacks,
    keepJobsMs: config.keepJobsMs,
  })
  const { app, registry } = server
  closeOnSignals(server, config, log)
  if (config.insecure) log.warn('THREADPLANE_INSECURE is true: whoever can reach this server can do anything with it')
  const address = await app.listen({ host: config.host, port: config.port })
  await registry.startAll()
  const states = registry.services.map(({ name, state }) => `${name} ${state}`).join(', ')
  log.info(`services: ${states || 'none'}`)
  if (!config.workers) for (const line of tryThis(address)) log.info(line)
}

function createLogger({ logLevel }: Config): Logger {
  const pretty = process.stdout.isTTY && { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } }
  return pino({ level: logLevel, serializers: { err: serializeError }, ...pretty })
}

/** Of an error of our own the stack tells nothing; of what it was caused by, it tells all. */
function serializeError(error: unknown): object {
  const { facts: _facts, stack, ...shown } = toWireError(error)
  return error instanceof ThreadplaneError || stack === undefined ? shown : { ...shown, stack }
}

/** What a newcomer does next. */
function tryThis(address: string): string[] {
  return [
    `try: curl ${address}/v1/services/primes/call/count -H 'content-type: application/json' -d '{"below": 1000000}'`,
    `try: curl ${address}/v1/services`,
    `try: ${address}/docs in a browser`,
  ]
}

/** Readiness fails at once, what runs is finished, threads are stopped. A second signal ends the process now. */
function closeOnSignals({ app }: Server, { shutdownTimeoutMs }: Config, log: Logger): void {
  closeWithGrace(
    { delay: false, logger: false, onSecondSignal: () => process.kill(process.pid, 'SIGKILL') },
    async ({ signal, err }) => {
      if (err) log.fatal({ err }, 'the server fails')
      else log.info(`${signal}: closing`)
      const closed = app.close()
      if (await within(closed, Math.max(shutdownTimeoutMs - END_WITHIN_MS, shutdownTimeoutMs / 2))) log.info('closed')
      else {
        log.error('what still runs is ended: the shutdown took longer than THREADPLANE_SHUTDOWN_TIMEOUT')
        await within(
          endThreads().then(() => closed),
          END_WITHIN_MS,
        )
      }
      // `process.exit` waits for threads, and one in native code never ends: then only a signal ends the process.
      if (WorkerThread.alive.size > 0) process.kill(process.pid, 'SIGKILL')
    },
  )
}

/** Whoever waits for them goes on then, and closes the journal. */
async function endThreads(): Promise<void> {
  await Promise.all([...WorkerThread.alive].map((thread) => thread.terminate()))
}
