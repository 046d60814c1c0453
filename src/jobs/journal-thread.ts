/**
 * Runs in the journal's thread: everything that arrived while one transaction was flushed is the next one (P2). It is
 * closed and never terminated: SQLite's native code would abort the process in the middle of a write.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { ThreadplaneError, toWireError, type WireError } from '../errors.ts'
import { Outbox } from '../outbox.ts'
import { JournalDatabase } from './journal-database.ts'
import type {
  JournalData,
  JournalOpened,
  JournalOperation,
  JournalOperations,
  JournalReply,
  JournalRequest,
} from './journal-protocol.ts'

if (parentPort === null) throw new Error('this module is the entry of the journal thread')
const port = parentPort
const { file, keepJobsMs, maxFinishedJobs } = workerData as JournalData

/** Outcomes that could not be written wait here, and are written first. */
const MAX_KEPT = 100_000
/** These record what happened already; all others can be refused. */
const OUTCOMES = new Set<JournalOperation>(['finish', 'retry', 'release'])
/** These go on while nothing can be written. */
const WRITES_NOTHING = new Set<JournalOperation>([
  'get',
  'list',
  'nextDueAt',
  'unfinished',
  'countUnfinished',
  'schedules',
  'close',
])
const RETRY_EVERY_MS = 500
const RETAIN_EVERY_MS = 1_000
/** Jobs deleted, or expired, in one transaction. */
const STEP = 500

const FULL = 13

/** Result codes of SQLite after which nothing more can be written now: the group fails as a whole. */
const UNAVAILABLE = new Map([
  [5, 'the file is locked'],
  [6, 'the file is locked'],
  [7, 'out of memory'],
  [8, 'the file is read-only'],
  [10, 'input/output error'],
  [11, 'the file is damaged'],
  [FULL, 'the disk is full'],
  [14, 'the file cannot be opened'],
  [26, 'the file is damaged'],
])

function errno(error: unknown): number {
  const { sqliteCode } = error as { sqliteCode?: number }
  return (sqliteCode ?? 0) & 0xff
}

/** Takes up what was running; how many jobs that were, or `undefined` where there is no room to write it down yet. */
function recover(db: JournalDatabase): number | undefined {
  try {
    db.begin()
    const recovered = db.recover()
    db.commit()
    return recovered
  } catch (error) {
    db.rollback()
    if (errno(error) === FULL) return undefined
    throw error
  }
}

function open(): { db: JournalDatabase; recovered: boolean } | undefined {
  try {
    const opened = new JournalDatabase(file)
    const recovered = recover(opened)
    port.postMessage([{ opened: true, recovered: recovered ?? 0 } satisfies JournalOpened])
    return { db: opened, recovered: recovered !== undefined }
  } catch (error) {
    port.postMessage([{ opened: false, error: toWireError(error), errno: errno(error) } satisfies JournalOpened])
    return undefined
  }
}

const opened = open()
if (opened !== undefined) serve(opened.db, opened.recovered)

function serve(db: JournalDatabase, wasRecovered: boolean): void {
  const operations: JournalOperations = {
    accept: (requests) => requests.map((request) => db.accept(request)),
    get: (id) => db.get(id),
    list: (filter) => db.list(filter),
    due: (service, limit) => db.due(service, limit),
    nextDueAt: (service) => db.nextDueAt(service),
    begin: (id) => db.beginAttempt(id),
    release: (id, attempt) => db.release(id, attempt),
    retry: (id, attempt, error, notBefore) => db.retry(id, attempt, error, notBefore),
    finish: (id, attempt, outcome) => db.finish(id, attempt, outcome),
    expire: () => db.expire(STEP),
    requeue: (id) => db.requeue(id),
    requeueFailed: (service, limit, failedBy) => db.requeueFailed(service, limit, failedBy),
    remove: (id) => db.remove(id),
    unfinished: (service, limit) => db.unfinished(service, limit),
    countUnfinished: (service) => db.countUnfinished(service),
    schedules: () => db.schedules(),
    putSchedule: (schedule) => db.putSchedule(schedule),
    removeSchedule: (service, name) => db.removeSchedule(service, name),
    close: () => {
      closing = true
    },
  }
  const outbox = new Outbox<JournalReply>(
    (replies) => port.postMessage(replies),
    () => {},
  )
  const kept: JournalRequest[] = []
  const arrived: JournalRequest[] = []
  let scheduled = false
  let closing = false
  let recovered = wasRecovered
  let retrying: NodeJS.Timeout | undefined
  let retaining: NodeJS.Timeout | undefined

  const schedule = () => {
    if (scheduled) return
    scheduled = true
    setImmediate(flushGroup)
  }

  const call = ({ operation, args }: JournalRequest): unknown => {
    return (operations[operation] as (...args: unknown[]) => unknown)(...args)
  }

  const run = (request: JournalRequest): JournalReply => {
    const { id } = request
    try {
      return { id, value: db.isolated(() => call(request)) }
    } catch (error) {
      if (UNAVAILABLE.has(errno(error)) || !db.inTransaction) throw error
      return { id, error: toWireError(error) }
    }
  }

  /** What happened before is on disk before anything that came after it. */
  function flushGroup(): void {
    scheduled = false
    let failed: unknown
    for (const group of [kept.splice(0), arrived.splice(0)]) {
      try {
        if (failed !== undefined) throw failed
        if (group.length > 0) write(group)
      } catch (error) {
        failed = error
        db.rollback()
        refuse(group, error)
      }
    }
    outbox.flush()
    if (closing) close()
  }

  function write(group: JournalRequest[]): void {
    // No attempt begins before those of the last process are counted (P3).
    recovered ||= recover(db) !== undefined
    if (!recovered) throw Object.assign(new Error('the disk is full'), { sqliteCode: FULL })
    const replies = writeTogether(group) ?? writeIsolated(group)
    for (const reply of replies) outbox.push(reply)
  }

  /** A savepoint costs two statements more: operations get one each only where one of the group has failed without. */
  function writeTogether(group: JournalRequest[]): JournalReply[] | undefined {
    db.begin()
    try {
      const replies = group.map((request) => ({ id: request.id, value: call(request) }))
      db.commit()
      return replies
    } catch (error) {
      if (UNAVAILABLE.has(errno(error))) throw error
      db.rollback()
      return undefined
    }
  }

  function writeIsolated(group: JournalRequest[]): JournalReply[] {
    db.begin()
    const replies = group.map(run)
    db.commit()
    return replies
  }

  /** What happened already is kept and written as soon as it can be, what only reads is answered; all else is refused. */
  function refuse(group: JournalRequest[], error: unknown): void {
    const why = UNAVAILABLE.get(errno(error)) ?? (error as Error).message
    const refusal = toWireError(
      new ThreadplaneError('JOURNAL_UNAVAILABLE', `the journal cannot be written: ${why}`, { retryAfterSeconds: 5 }),
    )
    for (const request of group) {
      if (OUTCOMES.has(request.operation) && kept.length < MAX_KEPT) kept.push(request)
      else
        outbox.push(
          WRITES_NOTHING.has(request.operation) ? answer(request, refusal) : { id: request.id, error: refusal },
        )
    }
    clearTimeout(retrying)
    if (!closing) retrying = setTimeout(retry, RETRY_EVERY_MS)
  }

  function answer(request: JournalRequest, refusal: WireError): JournalReply {
    try {
      return run(request)
    } catch {
      return { id: request.id, error: refusal }
    }
  }

  /** The log may hold a page many times over: brought into the file, it leaves room on a full disk. */
  function retry(): void {
    try {
      db.checkpoint()
    } catch {
      // There is no room for that either.
    }
    schedule()
  }

  /** Deletes what is past its time, a step a transaction; what has arrived meanwhile goes first. */
  async function retain(): Promise<void> {
    try {
      const finishedBy = db.retainedAfter(Date.now() - keepJobsMs, maxFinishedJobs)
      while (!closing && forget(finishedBy)) await turn()
      let shrunk = false
      while (!closing && db.shrink()) {
        shrunk = true
        await turn()
      }
      if (shrunk && !closing) db.checkpoint()
    } catch {
      // No room to delete in, for now: it is tried again.
      db.rollback()
    }
    if (!closing) retaining = setTimeout(() => void retain(), RETAIN_EVERY_MS)
  }

  function forget(finishedBy: number): boolean {
    db.begin()
    const more = db.forget(finishedBy, STEP)
    db.commit()
    return more
  }

  function close(): void {
    clearTimeout(retaining)
    clearTimeout(retrying)
    try {
      db.close()
    } finally {
      port.close()
    }
  }

  port.on('message', (requests: JournalRequest[]) => {
    for (const request of requests) arrived.push(request)
    schedule()
  })
  void retain()
}
