/**
 * The entry of the journal's process. It opens the file as soon as that is possible, commits arriving operations in
 * groups, and forgets old jobs. It is a process of its own because a lock of a file belongs to the process: any
 * `close()` of the same file, by a service in a thread of the server, would drop it (P2). No user code runs here.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { toWireError } from '../contract/errors.ts'
import { MessageBatcher } from '../async/message-batcher.ts'
import { CommitFigures } from './commit-figures.ts'
import { refusal } from './group-commit.ts'
import { type JournalData, type JournalMessage, type JournalRequest, OUTCOMES } from './messages.ts'
import { OpenJournal } from './open-journal.ts'
import { isMoved, openTrouble, whyUnavailable } from './storage-errors.ts'

type State =
  /** The file could not be opened. `retryTimer` tries again; without it only a person can help. */
  | { kind: 'unopened'; why: string; retryTimer?: NodeJS.Timeout }
  | { kind: 'writable'; journal: OpenJournal }
  /** The file is open: reads succeed and writes fail. */
  | { kind: 'unwritable'; journal: OpenJournal; failure: WriteFailure; retryTimer: NodeJS.Timeout }
  | { kind: 'closed' }

interface WriteFailure {
  why: string
  /** When a write failed last, in milliseconds of the monotonic clock. */
  at: number
  /** How many rows had been changed by then. */
  changes: number
}

/** How often the file of another server is tried. */
const HAND_OVER_EVERY_MS = 20

class JournalProcess {
  readonly #data: JournalData
  readonly #batcher = new MessageBatcher<JournalMessage>(post, () => {})
  readonly #figures: CommitFigures
  #state: State = { kind: 'unopened', why: 'it is not open yet' }
  /** Of a file that is not at its path any more: which one it was, and the outcomes that it could not take. */
  #left: { identity?: string; outcomes: JournalRequest[] } = { outcomes: [] }
  /** Operations for the next commit, and what will run it. */
  #arrived: JournalRequest[] = []
  #commitSoon: NodeJS.Immediate | undefined
  #retentionTimer: NodeJS.Timeout | undefined
  /** Why the last deletion of old jobs failed, if it did. */
  #retentionTrouble: string | undefined

  constructor(data: JournalData) {
    this.#data = data
    this.#figures = new CommitFigures(data.file, (figures) => this.#batcher.push({ figures }))
  }

  /** If the server must not start on this file, the process reports why, and ends. */
  async start(): Promise<void> {
    process.on('disconnect', () => this.#orphaned())
    if (!process.connected) this.#orphaned()
    try {
      await this.#openFirst()
    } catch (error) {
      const trouble = openTrouble(this.#data.file, error)
      if (trouble.kind !== 'passing') {
        return post([{ status: { kind: 'refused', reason: trouble.kind, error: toWireError(error) } }], disconnect)
      }
      this.#unopened(trouble.why)
    }
    process.on('message', (message: JournalRequest[] | 'close') => {
      if (message === 'close') return this.#close()
      for (const request of message) this.#arrived.push(request)
      this.#schedule()
    })
  }

  /** The journal's process of a server that was killed may still commit what it had received. */
  async #openFirst(): Promise<void> {
    const until = performance.now() + this.#data.timings.handOverWithinMs
    for (;;) {
      try {
        return this.#open()
      } catch (error) {
        if (openTrouble(this.#data.file, error).kind !== 'inUse' || performance.now() > until) throw error
        await sleep(HAND_OVER_EVERY_MS)
      }
    }
  }

  /** The only place that changes the state. A retry timer belongs to its state. */
  #enter(state: State): void {
    if ('retryTimer' in this.#state) clearInterval(this.#state.retryTimer)
    this.#state = state
  }

  /** @throws if the file cannot be opened */
  #open(): void {
    const { file, retention } = this.#data
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    } catch {
      // Opening the file fails as well then, and says why.
    }
    const { identity, outcomes } = this.#left
    const journal = new OpenJournal(file, retention, identity)
    this.#left = { outcomes: [] }
    if (journal.recoveryFailure === undefined) this.#writable(journal)
    else this.#unwritable(journal, journal.recoveryFailure)
    void this.#retain(journal)
    if (outcomes.length === 0) return
    this.#arrived.unshift(...outcomes)
    this.#schedule()
  }

  #writable(journal: OpenJournal): void {
    this.#enter({ kind: 'writable', journal })
    this.#batcher.push({ status: { kind: 'open', recovered: journal.takeRecovered() } })
    this.#figures.reportNow()
  }

  #unwritable(journal: OpenJournal, error: unknown): void {
    const why = whyUnavailable(error)
    const before = this.#state
    if (before.kind !== 'unwritable' || before.failure.why !== why) this.#report(why)
    const failure = { why, at: performance.now(), changes: journal.file.changes }
    // The state is not entered again: under steady load its timer would never fire.
    if (before.kind === 'unwritable') before.failure = failure
    else this.#enter({ kind: 'unwritable', journal, failure, retryTimer: this.#retryTimer() })
  }

  /** The file that is open is not at its path any more. It is closed, and what is at the path is opened, or created. */
  #moved(journal: OpenJournal, error: unknown): void {
    clearTimeout(this.#retentionTimer)
    this.#left = { identity: journal.file.identity, outcomes: journal.takePostponed() }
    this.#unopened(whyUnavailable(error))
    try {
      journal.close()
    } catch {
      // Its folder may be gone.
    }
  }

  #unopened(why: string): void {
    const before = this.#state
    this.#enter({ kind: 'unopened', why, retryTimer: this.#retryTimer() })
    if (before.kind !== 'unopened' || before.why !== why) this.#report(why)
  }

  #report(why: string): void {
    this.#batcher.push({ status: { kind: 'unavailable', why } })
  }

  #retryTimer(): NodeJS.Timeout {
    return setInterval(() => this.#retry(), this.#data.timings.retryEveryMs)
  }

  #retry(): void {
    const state = this.#state
    if (state.kind === 'unopened') return this.#reopen()
    if (state.kind !== 'unwritable') return
    try {
      // The log may hold one page many times. Moving it into the file makes room on a full disk.
      state.journal.file.checkpoint()
    } catch {
      // There is not even room for that.
    }
    this.#schedule()
  }

  #reopen(): void {
    try {
      this.#open()
    } catch (error) {
      const trouble = openTrouble(this.#data.file, error)
      if (trouble.kind === 'passing') this.#unopened(trouble.why)
      else if (trouble.kind === 'inUse') this.#unopened('another process has it open')
      else {
        // Not tried again: only a person can repair the file, and this attempt itself may keep it locked.
        this.#enter({ kind: 'unopened', why: `${(error as Error).message}: repair it, then restart the server` })
      }
    }
  }

  #schedule(): void {
    this.#commitSoon ??= setImmediate(() => this.#commit())
  }

  #commit(): void {
    this.#commitSoon = undefined
    const requests = this.#arrived
    this.#arrived = []
    const state = this.#state
    if (state.kind === 'unopened') {
      const error = refusal(state.why)
      for (const request of requests) {
        // Attempts that began before the file was moved end meanwhile.
        if (OUTCOMES.has(request[1])) this.#left.outcomes.push(request)
        else this.#batcher.push([request[0], undefined, error])
      }
    } else if (state.kind !== 'closed') {
      const { journal } = state
      const since = performance.now()
      const { replies, failure } = journal.commit(requests)
      if (failure === undefined) this.#figures.committed(requests, performance.now() - since)
      for (const reply of replies) this.#batcher.push(reply)
      if (isMoved(failure)) this.#moved(journal, failure)
      else if (failure !== undefined) this.#unwritable(journal, failure)
      else if (state.kind === 'unwritable' && this.#isOver(state.failure, journal)) this.#writable(journal)
    }
    // The server sends its next batch when it has a message, also if all operations of this one are postponed.
    if (this.#batcher.size === 0) post([])
    this.#batcher.flush()
  }

  /** Has nothing been refused for a while, and has something been written since? */
  #isOver({ at, changes }: WriteFailure, { file }: OpenJournal): boolean {
    return performance.now() - at > this.#data.timings.calmAfterMs && file.changes > changes
  }

  /** Forgets old jobs in small steps. Operations that have arrived meanwhile are committed between two steps. */
  async #retain(journal: OpenJournal): Promise<void> {
    try {
      for (const _step of journal.upkeep()) {
        await nextTurn()
        if (!this.#uses(journal)) return
      }
      this.#retentionTrouble = undefined
    } catch (error) {
      // A full disk has no room to delete in, for example: it is tried again.
      if (this.#uses(journal)) journal.file.rollback()
      const why = whyUnavailable(error)
      if (why !== this.#retentionTrouble) {
        this.#batcher.push({ warning: `old jobs cannot be deleted now: ${why}; it is tried again` })
      }
      this.#retentionTrouble = why
    }
    if (!this.#uses(journal)) return
    this.#retentionTimer = setTimeout(() => void this.#retain(journal), this.#data.timings.retainEveryMs)
  }

  #uses(journal: OpenJournal): boolean {
    return 'journal' in this.#state && this.#state.journal === journal
  }

  #close(): void {
    this.#commitLast()
    try {
      if ('journal' in this.#state) this.#state.journal.close()
    } catch {
      // There is no room to move the log into the file. Its records are as safe in the log.
    }
    this.#enter({ kind: 'closed' })
    post([], disconnect)
  }

  #commitLast(): void {
    clearImmediate(this.#commitSoon)
    this.#commit()
    clearTimeout(this.#retentionTimer)
  }

  /**
   * The server has ended, in whatever way. What it had sent is committed. The log is not moved into the file, which could
   * take long: the next server waits for the lock.
   */
  #orphaned(): void {
    if (this.#state.kind !== 'closed') this.#commitLast()
    process.exit()
  }
}

function post(messages: JournalMessage[], onSent: () => void = () => {}): void {
  if (process.connected) process.send?.(messages, undefined, {}, onSent)
}

/** Then nothing is left to do for this process, and it ends. */
function disconnect(): void {
  if (process.connected) process.disconnect()
}

// These are sent to all processes of a terminal or a container. The server decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {})
// With a listener, a write beyond the limit of a file's size is an error and does not end the process.
process.on('SIGXFSZ', () => {})
process.title = 'threadplane journal'
void new JournalProcess(JSON.parse(process.argv[2] as string) as JournalData).start()
