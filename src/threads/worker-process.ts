/**
 * A service's thread in a process of its own: running out of memory or crashing in native code ends that process, and
 * nothing else (P4). Owns one child process, which runs `runtime/process-entry.ts`; that runs the service in a thread.
 *
 * The process ends in steps, each bounded: its main thread terminates the service's thread, then the process exits; if
 * that takes too long, it is killed. So it is never stuck in native code, as a thread of this process may be.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { EventLoopUtilization } from 'node:perf_hooks'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import type { ThreadStack } from '../contract/stack.ts'
import { fromWireError } from '../contract/errors.ts'
import { longestMs } from '../diagnostics/profiler.ts'
import { environmentOf } from '../system/environment.ts'
import { ownProcesses } from '../system/own-processes.ts'
import { killGroup } from '../system/process-group.ts'
import { type FromProcess, OUT_OF_MEMORY, type ReportMessage, type ToProcess } from '../protocol/process-messages.ts'
import type { ControlMessage } from '../protocol/messages.ts'
import type { Pulse } from '../protocol/heartbeat.ts'
import { SlotLog } from '../protocol/slot-log.ts'
import { openLogFiles } from './slot-log-files.ts'
import type { LogPair, Slots } from '../protocol/slots.ts'
import { checkProcessMessage } from '../protocol/check-messages.ts'
import { packControl } from '../protocol/wire.ts'
import { withOwnPool } from '../system/pool-size.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { lowerPriority } from '../system/thread-priority.ts'
import { NativeOutput } from './native-output.ts'
import { childFlags, childNodeOptions } from './node-flags.ts'
import { ServiceWorker } from './service-worker.ts'
import { timings } from './timings.ts'

/** In the child, the first file descriptors after stdin, stdout, stderr and the channel. */
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
  /** The stack that the process was asked for and has not sent. All who ask meanwhile wait for this one. */
  #stack: Deferred<ThreadStack | undefined> | undefined
  /** Profiles that the process records, by the numbers that they were asked for with. */
  readonly #profiles = new Map<number, Deferred<ProfileOutcome>>()
  #lastProfile = 0
  /** The exit code of the service's thread, once the process has reported it. */
  #exitCode: number | undefined

  protected override launch(): void {
    const { service, module, limits, env, onMessages, onError } = this.options
    this.#fds = openLogFiles()
    const child = fork(fileURLToPath(new URL('../runtime/process-entry.js', import.meta.url)), {
      execArgv: childFlags(process.execArgv),
      env: { ...withOwnPool(environmentOf(env)), NODE_OPTIONS: childNodeOptions(process.env.NODE_OPTIONS) },
      serialization: 'advanced',
      // A process group of its own: processes that the service starts end with it, and Ctrl-C in a terminal does not
      // reach it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...this.#fds],
    })
    this.#child = child
    child.on('error', onError)
    if (child.pid === undefined) {
      // The fork itself failed.
      child.once('error', () => this.#end(1, null))
      return
    }
    lowerPriority(child.pid)
    this.#output = new NativeOutput([child.stdout as Readable, child.stderr as Readable], (message, dropped) =>
      onMessages([{ type: 'log', level: 'warn', message, ...(dropped !== undefined && { dropped }) }]),
    )
    child.on('message', (message: unknown) => this.guard(() => this.#onMessage(message)))
    child.once('exit', (code, signal) => this.#onExit(child, code, signal))
    this.#send({ type: 'launch', service, module, limits, env, guarded: [...ownProcesses] })
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
    this.#killer = setTimeout(() => killGroup(this.pid), timings.killAfterMs)
  }

  /** The process's main thread reads the stack of the service's thread. */
  override async stack(): Promise<ThreadStack | undefined> {
    if (!this.#child?.connected) return undefined
    if (this.#stack === undefined) {
      this.#stack = new Deferred()
      this.#send({ type: 'stack' })
    }
    const { promise } = this.#stack
    // A process that was stopped with SIGSTOP does not answer.
    if (await resolvesWithin(promise, timings.processStackTimeoutMs)) return promise
    return { state: 'blocked-native', frames: [] }
  }

  /** The process records it, in a file that both can reach. */
  override async profile(request: ProfileRequest, signal: AbortSignal): Promise<ProfileOutcome> {
    if (!this.#child?.connected) return { kind: 'gone' }
    this.#lastProfile += 1
    const id = this.#lastProfile
    const outcome = new Deferred<ProfileOutcome>()
    this.#profiles.set(id, outcome)
    const end = () => this.#send({ type: 'endProfile', id })
    this.#send({ type: 'profile', id, request })
    if (signal.aborted) end()
    signal.addEventListener('abort', end)
    // A process that was stopped with SIGSTOP does not answer.
    const isRecorded = await resolvesWithin(outcome.promise, longestMs(request) + timings.processStackTimeoutMs)
    signal.removeEventListener('abort', end)
    this.#profiles.delete(id)
    return isRecorded ? outcome.promise : { kind: 'blocked-native' }
  }

  protected override utilization(): EventLoopUtilization {
    return this.#report.utilization
  }

  /** @throws DataCloneError if the message cannot be serialised */
  #send(message: ToProcess): void {
    // A message that is lost as the process dies needs no report: the end of the process is one.
    if (this.#child?.connected) this.#child.send(message, undefined, {}, () => {})
  }

  /** @throws TypeError if the message is wrong */
  #onMessage(given: unknown): void {
    if (Array.isArray(given)) return this.receive(given)
    checkProcessMessage(given)
    const message = given as Exclude<FromProcess, unknown[]>
    switch (message.type) {
      case 'report':
        this.#report = message
        break
      case 'stack':
        this.#answerStack(message.stack)
        break
      case 'profiled':
        this.#profiles.get(message.id)?.resolve(message.outcome)
        break
      case 'error':
        this.options.onError(fromWireError(message.error))
        break
      case 'ended':
        this.#exitCode = message.exitCode
    }
  }

  /**
   * Waits for the last messages, which may still be on their way: results of methods that ended, and why the process
   * died.
   */
  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    killGroup(this.pid)
    const end = () => {
      clearTimeout(late)
      // The next two lines emit `close`.
      child.off('close', end)
      // Processes that the service started may keep the other ends open.
      child.stdout?.destroy()
      child.stderr?.destroy()
      this.#end(code ?? 128 + constants.signals[signal as NodeJS.Signals], signal)
    }
    const late = setTimeout(end, timings.readTimeoutMs)
    child.once('close', end)
  }

  #end(exitCode: number, signal: NodeJS.Signals | null): void {
    clearTimeout(this.#killer)
    if (this.#exitCode === undefined) this.options.onError(this.#deathOf(exitCode, signal))
    this.#answerStack(undefined)
    for (const outcome of this.#profiles.values()) outcome.resolve({ kind: 'gone' })
    this.#closeLog()
    this.ended(this.#exitCode ?? exitCode)
  }

  #answerStack(stack: ThreadStack | undefined): void {
    this.#stack?.resolve(stack)
    this.#stack = undefined
  }

  /** The reason of a death that the process could not report itself. */
  #deathOf(exitCode: number, signal: NodeJS.Signals | null): Error {
    const how = signal ? `was ended by ${signal}` : `exited with code ${exitCode}`
    const fatalLine = this.#output?.fatalLine
    const error = new Error(`the process of ${this.options.service} ${how}${fatalLine ? `: ${fatalLine}` : ''}`)
    const outOfMemory = fatalLine !== undefined && /out of memory/i.test(fatalLine)
    return outOfMemory ? Object.assign(error, { code: OUT_OF_MEMORY }) : error
  }

  #closeLog(): void {
    if (this.#slots !== undefined) this.#slots.close()
    else for (const fd of this.#fds ?? []) closeSync(fd)
    // The system gives the same numbers to other files from now on.
    this.#fds = undefined
  }
}
