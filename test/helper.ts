/** Helpers of many tests. They wait for events and never for a time; a deadline ends a test that hangs. */
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ServiceDefinition } from 'threadplane'
import type { ServiceLog } from '../src/contract/log.ts'
import { QueueServiceThread } from '../src/threads/queue-service-thread.ts'
import type { Isolation } from '../src/contract/options.ts'
import type { LifecycleState, Service } from '../src/supervision/service.ts'
import { ServiceThread } from '../src/threads/service-thread.ts'
import type { QueueServiceThreadOptions, ServiceThreadOptions } from '../src/threads/service-thread-options.ts'
import type { ServiceWorker } from '../src/threads/service-worker.ts'
import { timings } from '../src/threads/timings.ts'
import { type ServiceWorkerClass, WORKERS } from '../src/threads/workers.ts'
import type { WorkerProcess } from '../src/threads/worker-process.ts'

const DEADLINE_MS = 15_000

/** The isolation of every service that these helpers start. The files in `threads/process/` set it to `process`. */
export const isolation = (process.env.TEST_ISOLATION ?? 'thread') as Isolation

/**
 * Declares a test of the control side alone. Its code is the same wherever the service's thread runs, so that such a
 * test is not repeated by `threads/process/`, as other tests of the same file are.
 */
export function testOnce(t: Test, title: string, run: (t: Test) => unknown): void {
  if (isolation === 'thread') void t.test(title, run)
}

/** Shorter timings, until the test is over. */
export function shorten(t: Teardown, shorter: Partial<typeof timings>): void {
  const before = { ...timings }
  Object.assign(timings, shorter)
  t.teardown(() => Object.assign(timings, before))
}

/** The only part of a tap test that these helpers need. */
export interface Teardown {
  teardown(run: () => unknown): unknown
}

export interface LogLine {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  fields: Record<string, unknown>
  message: string
}

/** A log that keeps its lines, and lets a test wait for one. */
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

  /** The line with a message, as soon as that has been written so many times. */
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

/** Resolves as soon as a condition holds. The condition is tested now, and whenever the event is emitted. */
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

/** The value of a promise; rejects after 15 s. */
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

/** The error with which a promise rejects. */
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

/** A thread that runs a fixture, with a log. It is stopped when the test is over. */
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

/**
 * As {@link queueThread}, and started. With the `t` of the whole file, the thread is there for all tests of the file:
 * for those that do not end it.
 */
export async function startedThread<Module extends ServiceDefinition = ServiceDefinition>(
  t: Teardown,
  name: string,
  settings: Settings = {},
): Promise<{ thread: QueueServiceThread<Module>; log: RecordingLog }> {
  const made = queueThread<Module>(t, name, settings)
  await within(made.thread.start(), `the start of ${name}`)
  return made
}

/** A thread without a queue, for tests of ServiceThread itself. */
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

/** A class of workers for the isolation of this run, and the workers that were started. */
export function watched(onStart: () => void = () => {}): { workers: ServiceWorker[]; Worker: ServiceWorkerClass } {
  const workers: ServiceWorker[] = []
  const Base = WORKERS[isolation] as typeof WorkerProcess
  class Watched extends Base {
    override start() {
      onStart()
      workers.push(this)
      super.start()
    }
  }
  return { workers, Worker: Watched }
}
