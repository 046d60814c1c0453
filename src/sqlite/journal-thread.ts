/**
 * The journal's thread. It opens the file, as soon as it can; commits what arrives in groups; forgets what is past its
 * time. It is closed and never terminated: SQLite's native code would abort the process in the middle of a write.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { fromWireError, toWireError } from '../contract/errors.ts'
import { MessageBatcher } from '../async/message-batcher.ts'
import { JournalAcceptance } from './accept.ts'
import { JournalDatabase } from './transitions.ts'
import { JournalFile } from './database-file.ts'
import { GroupCommit, refusal } from './group-commit.ts'
import { JournalLists } from './lists.ts'
import type { JournalData, JournalMessage, JournalOperations, JournalRequest } from './messages.ts'
import { JournalRetention } from './retention.ts'
import { JournalSchedules } from './schedules.ts'
import { isDamage, openTrouble, whyUnavailable } from './trouble.ts'

if (parentPort === null) throw new Error('this module is the entry of the journal thread')
const port = parentPort
const { file: path, retention: limits } = workerData as JournalData

/** How soon what cannot be opened, or written, is tried again. */
const RETRY_EVERY_MS = 500
/** It is said to be open again only after so long without a refusal: room for one write is not room for the next. */
const CALM_AFTER_MS = 1_000
const RETAIN_EVERY_MS = 1_000
/** Jobs that expire in one transaction. */
const STEP = 500

/** Once open it stays so, also while nothing can be written: reads go on then. */
type State =
  | { kind: 'unavailable'; why: string }
  | { kind: 'open'; file: JournalFile; groups: GroupCommit; retention: JournalRetention }

/** What keeps an open journal from being written. */
interface Trouble {
  why: string
  /** The last refusal, by the monotonic clock; and the rows that were changed by then. */
  at: number
  changes: number
}

let state: State = { kind: 'unavailable', why: 'it is not open yet' }
let trouble: Trouble | undefined
/** Jobs that were running when the last process ended, and have been taken up. */
let recovered = 0
let arrived: JournalRequest[] = []
let scheduled = false
let closing = false
let retrying: NodeJS.Timeout | undefined
let retaining: NodeJS.Timeout | undefined
const batcher = new MessageBatcher<JournalMessage>(
  (messages) => port.postMessage(messages),
  () => {},
)

if (start()) {
  port.on('message', (message: JournalRequest[] | 'close') => {
    if (message === 'close') closing = true
    else for (const request of message) arrived.push(request)
    schedule()
  })
}

/** False where the server must not start on this file. */
function start(): boolean {
  try {
    open()
    return true
  } catch (error) {
    const found = openTrouble(path, error)
    if (found.kind === 'passing') {
      unavailable(found.why)
      return true
    }
    batcher.push({ status: { kind: 'refused', reason: found.kind, error: toWireError(error) } })
    return false
  }
}

/** Tries again what failed at the start. */
function reopen(): void {
  try {
    open()
  } catch (error) {
    const found = openTrouble(path, error)
    if (found.kind === 'passing') unavailable(found.why)
    else if (found.kind === 'inUse') unavailable('another process has it open')
    // Only somebody can mend that, and it may be this one that has the file open.
    else state = { kind: 'unavailable', why: `${(error as Error).message}: see to it, and start the server anew` }
  }
}

/** @throws where it cannot be opened */
function open(): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch {
    // Then there is no file either, and why is asked of that.
  }
  const file = new JournalFile(path)
  const lists = new JournalLists(file)
  const jobs = new JournalDatabase(file, lists)
  const acceptance = new JournalAcceptance(file, (id) => jobs.get(id))
  const operations = operationsOf(acceptance, jobs, lists, new JournalSchedules(file))
  const groups = new GroupCommit(file, operations)
  // No attempt begins before those of the last process are counted (P3): as an outcome it is kept where there is no room.
  const { replies, failure } = groups.commit([[0, 'recover', []]])
  const [, , refused] = replies[0] ?? []
  if (refused !== undefined) throw fromWireError(refused)
  if (isDamage(failure)) throw failure
  state = { kind: 'open', file, groups, retention: new JournalRetention(file, () => jobs.finishes, limits) }
  if (failure === undefined) sayOpen()
  else troubled(file, failure)
  void retain(file, state.retention)
}

function unavailable(why: string): void {
  if (state.kind !== 'unavailable' || state.why !== why) batcher.push({ status: { kind: 'unavailable', why } })
  state = { kind: 'unavailable', why }
  retryLater()
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(commit)
}

function commit(): void {
  scheduled = false
  const requests = arrived
  arrived = []
  if (state.kind === 'open') {
    const { file, groups } = state
    const { replies, failure } = groups.commit(requests)
    for (const reply of replies) batcher.push(reply)
    if (failure !== undefined) troubled(file, failure)
    else if (trouble !== undefined && isOver(trouble, file)) sayOpen()
  } else {
    const error = refusal(state.why)
    for (const [id] of requests) batcher.push([id, undefined, error])
  }
  batcher.flush()
  if (closing) close()
}

function troubled(file: JournalFile, failure: unknown): void {
  const why = whyUnavailable(failure)
  if (why !== trouble?.why) batcher.push({ status: { kind: 'unavailable', why } })
  trouble = { why, at: performance.now(), changes: file.changes }
  retryLater()
}

function isOver({ at, changes }: Trouble, file: JournalFile): boolean {
  return performance.now() - at > CALM_AFTER_MS && file.changes > changes
}

function sayOpen(): void {
  trouble = undefined
  batcher.push({ status: { kind: 'open', recovered } })
  recovered = 0
}

function retryLater(): void {
  clearTimeout(retrying)
  if (!closing) retrying = setTimeout(retry, RETRY_EVERY_MS)
}

function retry(): void {
  if (state.kind === 'unavailable') return reopen()
  try {
    // The log may hold a page many times over: brought into the file, it leaves room on a full disk.
    state.file.checkpoint()
  } catch {
    // There is no room for that either.
  }
  schedule()
}

/** What has arrived meanwhile goes before each step. */
async function retain(file: JournalFile, retention: JournalRetention): Promise<void> {
  try {
    for (const _step of retention.steps()) {
      await turn()
      if (closing) return
    }
  } catch {
    // No room to delete in, for now: it is tried again.
    file.rollback()
  }
  if (!closing) retaining = setTimeout(() => void retain(file, retention), RETAIN_EVERY_MS)
}

function close(): void {
  clearTimeout(retaining)
  clearTimeout(retrying)
  try {
    if (state.kind === 'open') state.file.close()
  } catch {
    // There is no room to move the log into the file: what it holds is as safe where it is.
  }
  port.close()
}

function operationsOf(
  acceptance: JournalAcceptance,
  jobs: JournalDatabase,
  lists: JournalLists,
  schedules: JournalSchedules,
): JournalOperations {
  return {
    accept: (rows) => acceptance.accept(rows),
    get: (id) => jobs.get(id),
    list: (filter) => lists.list(filter),
    take: (service, limit, bytes) => jobs.take(service, limit, bytes),
    nextDueAt: (service) => jobs.nextDueAt(service),
    release: (id, attempt) => jobs.release(id, attempt),
    retry: (id, attempt, error, notBefore) => jobs.retry(id, attempt, error, notBefore),
    finish: (id, attempt, outcome) => jobs.finish(id, attempt, outcome),
    withdraw: (id, attempt, withdrawal) => jobs.withdraw(id, attempt, withdrawal),
    cancel: (id) => jobs.cancel(id),
    expire: () => jobs.expire(STEP),
    requeue: (id) => jobs.requeue(id),
    requeueFailed: (service, limit, failedBy) => jobs.requeueFailed(service, limit, failedBy),
    remove: (id) => jobs.remove(id),
    cancelWaiting: (service, limit) => jobs.cancelWaiting(service, limit),
    unfinished: (service, limit) => lists.unfinished(service, limit),
    countUnfinished: (service) => lists.countUnfinished(service),
    schedules: () => schedules.all(),
    putSchedule: (schedule) => schedules.put(schedule),
    removeSchedule: (service, name) => schedules.remove(service, name),
    recover: () => {
      recovered = jobs.recover()
    },
  }
}
