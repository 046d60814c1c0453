/**
 * A service's thread in a process of its own, which may run out of memory or crash natively and takes nothing else with
 * it (P4). Owns one child process; what runs there is `process/entry.ts`, which runs the service in a thread as usual.
 *
 * It ends in steps, each bounded: the thread is terminated inside, then the process ends itself; where that takes too
 * long it is killed. So it is never stuck in native code, as a thread of this process may be.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { EventLoopUtilization } from 'node:perf_hooks'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ThreadStack } from '../contract/stack.ts'
import { fromWireError } from '../contract/errors.ts'
import { killGroup } from '../system/process-group.ts'
import { type FromProcess, OUT_OF_MEMORY, type ReportMessage, type ToProcess } from '../protocol/process-messages.ts'
import type { ControlMessage } from '../protocol/messages.ts'
import type { Pulse } from '../protocol/heartbeat.ts'
import { openLogFiles, SlotLog } from '../protocol/slot-log.ts'
import type { LogPair, Slots } from '../protocol/slots.ts'
import { packControl } from '../protocol/wire.ts'
import { lowerPriority } from '../system/thread-priority.ts'
import { NativeOutput } from './native-output.ts'
import { childFlags, childNodeOptions } from './node-flags.ts'
import { ServiceWorker } from './service-worker.ts'

/** From the request to terminate the thread to the kill of its process, in milliseconds. */
const KILL_AFTER_MS = 1_000
/** What a dead process has sent is read by then. */
const READ_WITHIN_MS = 500
/** The first after stdin, stdout, stderr and the channel. */
const LOG_FDS: LogPair<number> = [4, 5]

export class WorkerProcess extends ServiceWorker {
  #child: ChildProcess | undefined
  #killer: NodeJS.Timeout | undefined
  #fds: LogPair<number> | undefined
  #slots: SlotLog | undefined
  #output: NativeOutput | undefined
  #report: ReportMessage = {
    type: 'report',
    beats: 0,
    heapUsedBytes: 0,
    utilization: { idle: 0, active: 0, utilization: 0 },
  }
  /** Who waits for an answer to `stack`, in the order they asked. */
  readonly #looks: ((stack: ThreadStack | undefined) => void)[] = []
  /** Of the thread in it, once that is known. */
  #exitCode: number | undefined

  protected override launch(): void {
    const { service, module, limits, onMessages, onError } = this.options
    this.#fds = openLogFiles()
    const child = fork(fileURLToPath(new URL('../runtime/process-entry.js', import.meta.url)), {
      execArgv: childFlags(process.execArgv),
      env: { ...process.env, NODE_OPTIONS: childNodeOptions(process.env.NODE_OPTIONS) },
      serialization: 'advanced',
      // Its own process group: what the service starts ends with it, and Ctrl-C in a terminal is not meant for it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...this.#fds],
    })
    this.#child = child
    child.on('error', onError)
    if (child.pid === undefined) {
      // It could not even be forked.
      child.once('error', () => this.#end(1, null))
      return
    }
    lowerPriority(child.pid)
    this.#output = new NativeOutput([child.stdout as Readable, child.stderr as Readable], (message) =>
      onMessages([{ type: 'log', level: 'warn', message }]),
    )
    child.on('message', (message: FromProcess) => this.#onMessage(message))
    child.once('exit', (code, signal) => this.#onExit(child, code, signal))
    this.#send({ type: 'launch', service, module, limits })
  }

  /** Of the process; 0 where there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  override get pulse(): Pulse {
    const { beats: count, heapUsedBytes } = this.#report
    return { count, heapUsedBytes }
  }

  override slots(length: number): Slots {
    this.#slots = new SlotLog(this.#fds as LogPair<number>, { length, fds: LOG_FDS })
    return this.#slots
  }

  override post(messages: ControlMessage[]): void {
    this.#send(messages.map(packControl))
  }

  protected override kill(): void {
    if (this.#killer !== undefined) return
    this.#send({ type: 'terminate' })
    this.#killer = setTimeout(() => killGroup(this.pid), KILL_AFTER_MS)
  }

  /** Its main thread looks, as this one would at a thread of its own. */
  override async stack(): Promise<ThreadStack | undefined> {
    if (!this.#child?.connected) return undefined
    return new Promise((resolve) => {
      this.#looks.push(resolve)
      this.#send({ type: 'stack' })
    })
  }

  protected override utilization(): EventLoopUtilization {
    return this.#report.utilization
  }

  /** @throws what the message cannot be serialised for */
  #send(message: ToProcess): void {
    // Whether it was sent does not matter: a process that dies says so by its end.
    if (this.#child?.connected) this.#child.send(message, undefined, {}, () => {})
  }

  #onMessage(message: FromProcess): void {
    if (Array.isArray(message)) return this.receive(message)
    switch (message.type) {
      case 'report':
        this.#report = message
        break
      case 'stack':
        this.#looks.shift()?.(message.stack)
        break
      case 'error':
        this.options.onError(fromWireError(message.error))
        break
      case 'ended':
        this.#exitCode = message.exitCode
    }
  }

  /** What it said last may still be on its way: the results of methods that have ended, and why it died. */
  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    killGroup(this.pid)
    const end = () => {
      clearTimeout(late)
      // Which is what the next two lines bring about.
      child.off('close', end)
      // Somebody else may hold the other ends.
      child.stdout?.destroy()
      child.stderr?.destroy()
      this.#end(code ?? 128 + constants.signals[signal as NodeJS.Signals], signal)
    }
    const late = setTimeout(end, READ_WITHIN_MS)
    child.once('close', end)
  }

  #end(exitCode: number, signal: NodeJS.Signals | null): void {
    clearTimeout(this.#killer)
    if (this.#exitCode === undefined) this.options.onError(this.#deathOf(exitCode, signal))
    for (const resolve of this.#looks.splice(0)) resolve(undefined)
    this.#closeLog()
    this.ended(this.#exitCode ?? exitCode)
  }

  /** The end of a process that could not say why. */
  #deathOf(exitCode: number, signal: NodeJS.Signals | null): Error {
    const how = signal ? `was ended by ${signal}` : `exited with code ${exitCode}`
    const lastWords = this.#output?.lastWords
    const error = new Error(`the process of ${this.options.service} ${how}${lastWords ? `: ${lastWords}` : ''}`)
    const outOfMemory = lastWords !== undefined && /out of memory/i.test(lastWords)
    return outOfMemory ? Object.assign(error, { code: OUT_OF_MEMORY }) : error
  }

  #closeLog(): void {
    if (this.#slots !== undefined) this.#slots.close()
    else for (const fd of this.#fds ?? []) closeSync(fd)
    // The numbers are somebody else's from now on.
    this.#fds = undefined
  }
}
