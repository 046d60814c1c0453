/** What several tests share. Nothing here waits for a time: it waits for an event, and a deadline ends a test that hangs. */
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceDefinition } from 'threadplane'
import type { ServiceLog } from '../src/contract/log.ts'
import { QueueServiceThread } from '../src/threads/queue-service-thread.ts'
import type { Isolation } from '../src/contract/options.ts'
import type { LifecycleState, Service } from '../src/supervision/service.ts'
import { ServiceThread } from '../src/threads/service-thread.ts'
import type { QueueServiceThreadOptions, ServiceThreadOptions } from '../src/threads/service-thread-options.ts'
import type { ServiceWorker } from '../src/threads/service-worker.ts'
import type { ServiceWorkerClass } from '../src/threads/workers.ts'
import { WorkerProcess } from '../src/threads/worker-process.ts'
import { WorkerThread } from '../src/threads/worker-thread.ts'

const DEADLINE_MS = 15_000

/** Of every service of these helpers. The tests in `service/process/` are those of threads, with another. */
export const isolation = (process.env.TEST_ISOLATION ?? 'thread') as Isolation

/** The part of a tap test that is used. */
export interface Teardown {
  teardown(run: () => unknown): unknown
}

export interface LogLine {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  fields: Record<string, unknown>
  message: string
}

/** A log that remembers its lines, and tells whoever waits for one. */
export class RecordingLog {
  readonly lines: LogLine[] = []
  readonly #written = new EventEmitter().setMaxListeners(0)

  readonly trace = this.#writer('trace')
  readonly debug = this.#writer('debug')
  readonly info = this.#writer('info')
  readonly warn = this.#writer('warn')
  readonly error = this.#writer('error')
  readonly fatal = this.#writer('fatal')

  get log(): ServiceLog {
    return this as unknown as ServiceLog
  }

  get messages(): string[] {
    return this.lines.map(({ message }) => message)
  }

  count(message: string | RegExp): number {
    return this.#linesOf(message).length
  }

  #linesOf(wanted: string | RegExp): LogLine[] {
    return this.lines.filter(({ message }) => (wanted instanceof RegExp ? wanted.test(message) : wanted === message))
  }

  /** The line of a message, as soon as it has been written so many times. */
  async line(message: string | RegExp, times = 1): Promise<LogLine> {
    await until(`${times} × the log line "${message}"`, this.#written, 'line', () => this.count(message) >= times)
    return this.#linesOf(message)[times - 1] as LogLine
  }

  /** Calls the listener for every line from now on. */
  onLine(listener: (message: string) => void): void {
    this.#written.on('line', listener)
  }

  #writer(level: LogLine['level']) {
    return (fields: Record<string, unknown>, message: string) => {
      this.lines.push({ level, fields, message })
      this.#written.emit('line', message)
    }
  }
}

/** Resolves as soon as a condition holds that can only change with an event. */
export async function until(
  what: string,
  emitter: { on(event: string, listener: () => void): unknown; off(event: string, listener: () => void): unknown },
  event: string,
  holds: () => boolean,
): Promise<void> {
  let listener = () => {}
  const held = new Promise<void>((resolve) => {
    listener = () => {
      if (holds()) resolve()
    }
    emitter.on(event, listener)
    listener()
  })
  try {
    await within(held, what)
  } finally {
    emitter.off(event, listener)
  }
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const done = new AbortController()
  const late = sleep(DEADLINE_MS, undefined, { signal: done.signal }).then(
    () => Promise.reject(new Error(`waited ${DEADLINE_MS} ms for ${what}`)),
    () => new Promise<never>(() => {}),
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    done.abort()
  }
}

/** Resolves as soon as a service is in a state. */
export function reached(service: Service, state: LifecycleState): Promise<void> {
  return until(`${service.name} to be ${state}`, service as never, 'state', () => service.state === state)
}

/** What a promise was rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await within(promise, 'a rejection')
  } catch (error) {
    return error as Error
  }
  throw new Error('it was not rejected')
}

export function fixture(name: string): URL {
  return new URL(`./fixtures/${name}.js`, import.meta.url)
}

type Settings = Partial<QueueServiceThreadOptions>

/** A thread over a fixture, with a log, that is stopped when the test is over. */
export function queueThread<Module extends ServiceDefinition = ServiceDefinition>(
  t: Teardown,
  name: string,
  settings: Settings = {},
): { thread: QueueServiceThread<Module>; log: RecordingLog } {
  const log = new RecordingLog()
  const options = { isolation, ...settings.options }
  const thread = new QueueServiceThread<Module>({ name, module: fixture(name), log: log.log, ...settings, options })
  t.teardown(() => thread.stop())
  return { thread, log }
}

/** As {@link queueThread}, and started. */
export async function startedThread<Module extends ServiceDefinition = ServiceDefinition>(
  t: Teardown,
  name: string,
  settings: Settings = {},
): Promise<{ thread: QueueServiceThread<Module>; log: RecordingLog }> {
  const made = queueThread<Module>(t, name, settings)
  await within(made.thread.start(), `the start of ${name}`)
  return made
}

/** A thread without a queue, for what every ServiceThread does. */
export function serviceThread(
  t: Teardown,
  name: string,
  settings: Partial<ServiceThreadOptions> = {},
): { thread: ServiceThread; log: RecordingLog } {
  const log = new RecordingLog()
  const options = { isolation, ...settings.options }
  const thread = new ServiceThread({ name, module: fixture(name), log: log.log, ...settings, options })
  t.teardown(() => thread.stop())
  return { thread, log }
}

/** A class that keeps the workers it has started. */
export function watched(onStart: () => void = () => {}): { workers: ServiceWorker[]; Worker: ServiceWorkerClass } {
  const workers: ServiceWorker[] = []
  const Base = (isolation === 'process' ? WorkerProcess : WorkerThread) as typeof WorkerProcess
  class Watched extends Base {
    override start() {
      onStart()
      workers.push(this)
      super.start()
    }
  }
  return { workers, Worker: Watched }
}
