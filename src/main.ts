#!/usr/bin/env node
/** The process: settings → server → listen → signals. The only module with side effects at import. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Worker } from 'node:worker_threads'
import closeWithGrace from 'close-with-grace'
import { type Logger, pino } from 'pino'
import { type Config, readConfig } from './config.ts'
import { buildServer, type Server } from './server.ts'

/** How long the termination of threads is waited for. */
const END_WITHIN_MS = 500

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
  })
  const { app, registry } = server
  closeOnSignals(server, config, log)
  const address = await app.listen({ host: config.host, port: config.port })
  await registry.startAll()
  const states = registry.services.map(({ name, state }) => `${name} ${state}`).join(', ')
  log.info(`services: ${states || 'none'}`)
  if (!config.workers) tryThis(address)
}

function createLogger({ logLevel }: Config): Logger {
  const pretty = process.stdout.isTTY && { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } }
  return pino({ level: logLevel, ...pretty })
}

/** What a newcomer does next. */
function tryThis(address: string): void {
  console.log(`
Try it:
  curl ${address}/v1/services/primes/call/count --json '{"below": 1000000}'
  curl ${address}/v1/services
  ${address}/docs in a browser
`)
}

/** Readiness fails at once, what runs is finished, threads are stopped. A second signal ends the process now. */
function closeOnSignals({ app }: Server, { shutdownTimeoutMs }: Config, log: Logger): void {
  const threads = new Set<Worker>()
  process.on('worker', (thread) => {
    threads.add(thread)
    thread.once('exit', () => threads.delete(thread))
  })
  closeWithGrace(
    { delay: false, logger: false, onSecondSignal: () => process.kill(process.pid, 'SIGKILL') },
    async ({ signal, err }) => {
      if (err) log.fatal({ err }, 'the server fails')
      else log.info(`${signal}: closing`)
      try {
        const closed = app.close().then(() => true)
        if (await Promise.race([closed, sleep(shutdownTimeoutMs)])) log.info('closed')
        else log.error('what still runs is ended: the shutdown took longer than THREADPLANE_SHUTDOWN_TIMEOUT')
      } finally {
        await endThreads(threads)
      }
    },
  )
}

/** `process.exit` waits for threads, and one in native code never ends: then only a signal ends the process. */
async function endThreads(threads: Set<Worker>): Promise<void> {
  const ended = Promise.all([...threads].map((thread) => thread.terminate()))
  await Promise.race([ended, sleep(END_WITHIN_MS)])
  if (threads.size > 0) process.kill(process.pid, 'SIGKILL')
}
