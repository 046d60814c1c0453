/**
 * The job store on disk: SQLite in a process of its own, so that the event loop never waits for a disk (P2), and nothing
 * that a service does in the server's process drops the lock of the file. This is the control thread's side: it starts
 * the process, sends it operations, and follows its state.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceLog } from '../contract/log.ts'
import { fromWireError, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { Deferred } from '../async/deferred.ts'
import { resolvesWithin } from '../async/deadline.ts'
import { ownProcesses } from '../system/own-processes.ts'
import { MAX_FINISHED_JOBS } from '../jobs/store-limits.ts'
import { cannotOpen, HOLDER_FILE, JOURNAL_FILE } from './cannot-open.ts'
import { JournalClient } from './journal-client.ts'
import { RequestFeed } from './request-feed.ts'
import type { StoreFigures } from '../jobs/store-figures.ts'
import {
  type JournalData,
  type JournalMessage,
  type JournalOperation,
  type JournalOperations,
  type JournalReply,
  type JournalStatus,
  OUTCOMES,
} from './messages.ts'
import { timings } from './timings.ts'

export interface JournalOptions {
  /** The data folder. */
  folder: string
  log: ServiceLog
  keepJobsMs: number
  maxFinishedJobs?: number
}

/** Operations that may wait for the journal's process. */
const MAX_PENDING = 100_000
/** How long closing may take before the journal's process is killed. */
const CLOSE_WITHIN_MS = 2_000

type State =
  /** The process has not told its status yet. */
  | { kind: 'opening' }
  /** The process answers operations. If it ends now, the server must end too. */
  | { kind: 'serving'; isWritable: boolean }
  /** The process cannot use the file, and ends by itself. */
  | { kind: 'refused' }
  | { kind: 'closing' }
  /** The process has ended. */
  | { kind: 'ended'; error: Error }

export class Journal extends JournalClient {
  readonly #folder: string
  readonly #log: ServiceLog
  readonly #process: ChildProcess
  readonly #feed: RequestFeed
  readonly #pending = new Map<number, Deferred<unknown>>()
  /** Resolves with the first status of the process. */
  readonly #opened = new Deferred<JournalStatus>()
  readonly #ended = new Deferred<void>()
  #figures: StoreFigures | undefined
  #lastId = 0
  #state: State = { kind: 'opening' }

  private constructor({ folder, log, keepJobsMs, maxFinishedJobs = MAX_FINISHED_JOBS }: JournalOptions) {
    super()
    this.#folder = folder
    this.#log = log
    const child = startProcess({
      file: resolve(folder, JOURNAL_FILE),
      retention: { keepJobsMs, maxFinishedJobs },
      timings,
    })
    this.#process = child
    if (child.pid !== undefined) ownProcesses.add(child.pid)
    this.#feed = new RequestFeed((requests) => child.send(requests, undefined, {}, () => {}))
    child.on('message', (messages: JournalMessage[]) => {
      this.#feed.answered()
      for (const message of messages) {
        if (Array.isArray(message)) this.#reply(message)
        else if ('status' in message) this.#statusChanged(message.status)
        else if ('figures' in message) this.#figures = message.figures
        else this.#log.warn(message.warning)
      }
    })
    void this.#end()
  }

  /**
   * Opens the journal of a data folder, or creates it. Attempts that ran when the last server ended are recovered. If the
   * disk is full or the folder is read-only, the journal refuses operations until that has changed.
   * @throws if another process uses the folder, or the file is damaged or was written by a newer version
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    const status = await journal.#opened.promise
    if (status.kind === 'refused') throw await cannotOpen(options.folder, status.reason, fromWireError(status.error))
    return journal
  }

  /** The only place that changes the state. */
  #enter(state: State): void {
    this.#state = state
  }

  override get isWritable(): boolean {
    return this.#state.kind === 'serving' && this.#state.isWritable
  }

  /** What its process has measured, at most a second ago. */
  get figures(): StoreFigures | undefined {
    return this.#figures
  }

  /** Operations that wait for their answer. */
  get waiting(): number {
    return this.#pending.size
  }

  #statusChanged(status: JournalStatus): void {
    const { kind } = this.#state
    if (status.kind === 'refused') this.#enter({ kind: 'refused' })
    else if (kind === 'opening' || kind === 'serving') {
      this.#enter({ kind: 'serving', isWritable: status.kind === 'open' })
    }
    this.#opened.resolve(status)
    if (status.kind === 'unavailable') {
      this.#log.error(`the journal cannot be written: ${status.why}; casts are refused until it can be written`)
    } else if (status.kind === 'open') {
      const { recovered } = status
      if (recovered > 0) {
        this.#log.warn({ jobs: recovered }, 'jobs were running when the last server ended: their attempts count')
      }
      this.#log.info('the journal is open')
      void this.#writeHolder()
    }
  }

  /** Only for the error message that a second process gets: the lock is the operating system's. */
  async #writeHolder(): Promise<void> {
    const file = join(this.#folder, HOLDER_FILE)
    const holder = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
    await writeFile(file, holder, { mode: 0o600 }).catch((error: unknown) =>
      this.#log.warn({ err: error }, `${file} cannot be written`),
    )
  }

  protected override ask<Operation extends JournalOperation>(
    operation: Operation,
    ...args: Parameters<JournalOperations[Operation]>
  ): Promise<ReturnType<JournalOperations[Operation]>> {
    const refusal = this.#refusal(operation)
    if (refusal !== undefined) return Promise.reject(unavailable(refusal))
    const reply = new Deferred<unknown>()
    this.#lastId += 1
    this.#pending.set(this.#lastId, reply)
    this.#feed.push([this.#lastId, operation, args])
    return reply.promise as Promise<ReturnType<JournalOperations[Operation]>>
  }

  #refusal(operation: JournalOperation): string | undefined {
    if (this.#state.kind === 'ended') return this.#state.error.message
    if (this.#pending.size < MAX_PENDING || OUTCOMES.has(operation)) return undefined
    return `${this.#pending.size} operations already wait for the journal`
  }

  #reply([id, value, error]: JournalReply): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (error === undefined) pending?.resolve(value)
    else pending?.reject(fromWireError(error))
  }

  /** Follows the process to its end. Its last answers may arrive after its exit, and before the channel is closed. */
  async #end(): Promise<void> {
    let why: Error
    try {
      const [[exitCode, signal]] = await Promise.all([once(this.#process, 'exit'), once(this.#process, 'disconnect')])
      why = new Error(`the process of the journal has ended: ${signal ?? `exit code ${exitCode}`}`)
    } catch (error) {
      why = new Error('the process of the journal cannot be started', { cause: error })
    }
    ownProcesses.delete(this.#process.pid ?? 0)
    const before = this.#state.kind
    this.#enter({ kind: 'ended', error: why })
    this.#opened.reject(why)
    for (const { reject } of this.#pending.values()) reject(unavailable(why.message, why))
    this.#pending.clear()
    this.#ended.resolve()
    if (before !== 'serving') return
    // Nothing can be stored any more. The server ends; everything that was acknowledged is there after a restart.
    setImmediate(() => {
      throw why
    })
  }

  /** Writes what was asked before and closes the file. */
  override async close(): Promise<void> {
    const { kind } = this.#state
    if (kind === 'ended') return
    if (kind !== 'closing') {
      this.#enter({ kind: 'closing' })
      this.#feed.flush()
      this.#process.send('close', undefined, {}, () => {})
    }
    if (await resolvesWithin(this.#ended.promise, CLOSE_WITHIN_MS)) return
    this.#log.fatal(`the journal does not close within ${CLOSE_WITHIN_MS} ms: its process is killed`)
    this.#process.kill('SIGKILL')
    // A process that waits for a disk in the kernel outlives that. The server need not.
    this.#process.unref()
    this.#process.channel?.unref()
  }
}

function startProcess(data: JournalData): ChildProcess {
  // Options that were meant for the server, such as a module to preload, would bring user code into the process.
  const { NODE_OPTIONS: _, ...env } = process.env
  return fork(fileURLToPath(new URL('../sqlite/journal-process.js', import.meta.url)), [JSON.stringify(data)], {
    env,
    execArgv: [],
    serialization: 'advanced',
    // In a group of its own: what ends the processes of the services must not end this one.
    detached: true,
    // The working directory may be deleted, or its file system be unmounted.
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

function unavailable(why: string, cause?: Error): ThreadplaneError {
  return new ThreadplaneError('JOURNAL_UNAVAILABLE', why, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
}
