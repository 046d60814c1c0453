/**
 * Closes the server on a signal or after an error of its own: `/readyz` fails, new work is refused after
 * THREADPLANE_CLOSE_DELAY, running methods may finish within THREADPLANE_SHUTDOWN_TIMEOUT, then all threads end, then the
 * process. A second signal ends the process at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { endsOnHangup } from '../system/hangup.ts'
import { writeWaitingLines } from '../threads/log-writer.ts'
import { ServiceWorker } from '../threads/service-worker.ts'
import type { Server } from './options.ts'
import type { Report } from './report-to-launcher.ts'

/** The end of a shutdown in which threads that still run are terminated: this long, or a quarter of the shutdown. */
const TERMINATE_WITHIN_MS = 500
/** The longest shutdown after an error of the server: its state is unknown, and the launcher waits to start it again. */
const CLOSE_AFTER_ERROR_MS = 1_000
/** The longest wait for a reader of the log, when the server has closed. */
const FLUSH_WITHIN_MS = 500
/** On these signals the process must die: its event loop cannot run a shutdown, and the launcher starts it again. */
const DEADLY_SIGNALS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const

/** @param report tells the launcher that the end of this process will be no crash */
export function closeOnSignals(server: Server, config: Config, log: Logger, report?: Report): void {
  const { app, registry } = server
  // Without a listener it would open a debugger.
  process.on('SIGUSR1', () => {})
  // The launcher passes SIGHUP on only where it counts.
  const isIgnored = report === undefined && !endsOnHangup
  if (isIgnored) process.on('SIGHUP', () => {})
  closeWithGrace(
    {
      delay: false,
      logger: false,
      skip: isIgnored ? [...DEADLY_SIGNALS, 'SIGHUP'] : [...DEADLY_SIGNALS],
      onSecondSignal: () => process.kill(process.pid, 'SIGKILL'),
    },
    async ({ signal, err }) => {
      const { closeDelayMs, shutdownTimeoutMs } = config
      if (err) log.fatal({ err }, 'the server fails with an error of its own: it closes')
      else {
        void report?.({ type: 'closing' })
        log.info(`${signal}: closing the server`)
        server.prepareToClose()
        await sleep(closeDelayMs)
      }
      const closeMs = err ? Math.min(shutdownTimeoutMs, CLOSE_AFTER_ERROR_MS) : shutdownTimeoutMs
      const terminateMs = Math.min(TERMINATE_WITHIN_MS, closeMs / 4)
      const closed = app.close()
      if (await resolvesWithin(closed, closeMs - terminateMs)) log.info('the server is closed')
      else {
        const running = registry.services.reduce((sum, service) => sum + service.running, 0)
        const left = { methods: running, threads: ServiceWorker.alive.size, connections: app.clients.count }
        log.error(
          left,
          `the server did not close within ${closeMs} ms (THREADPLANE_SHUTDOWN_TIMEOUT is ${shutdownTimeoutMs} ms): ` +
            'methods and threads that still run are ended, and connections are closed',
        )
      }
      // A retired thread may still run its last methods, although the server is closed. Do not wait for them.
      for (const service of registry.services) service.abandon()
      await resolvesWithin(Promise.all([terminateThreads(), closed]), terminateMs)
      // The exit does not wait for a write of the log that is under way: without this, lines come out of order or never.
      writeWaitingLines()
      await resolvesWithin(flushed(log), FLUSH_WITHIN_MS)
      // `process.exit` waits for all threads, and a thread in native code may never end: only SIGKILL ends it.
      if (ServiceWorker.alive.size > 0) process.kill(process.pid, 'SIGKILL')
    },
  )
}

function flushed(log: Logger): Promise<void> {
  return new Promise((resolve) => log.flush(() => resolve()))
}

/** The services stop when their threads have ended, and then `app.close()` closes the journal. */
async function terminateThreads(): Promise<void> {
  await Promise.all([...ServiceWorker.alive].map((worker) => worker.terminate()))
}
