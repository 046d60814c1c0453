/**
 * Stores new jobs with their idempotency keys and ticks. Runs in the journal's process, inside the transaction of a
 * group. Most of the cost of a row is the call of a statement, so one statement inserts many rows.
 */
import type { JobState } from '../contract/states.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import type { Job } from '../jobs/job.ts'
import type { Idempotency, Tick } from '../jobs/job-store.ts'
import type { DatabaseFile } from './database-file.ts'
import type { AcceptedRow, AcceptRow } from './messages.ts'

/** There is one statement for each of these numbers of rows; rows are split into as few statements as possible. */
const ROWS_PER_STATEMENT = [64, 16, 4, 1] as const
const JOB_COLUMNS = `seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, begunAt,
  notBefore, expiresAt, traceparent, schedule`

interface Insertion {
  seq: number
  row: AcceptRow
  state: JobState
  /** When the first attempt began, if it begins in this transaction. */
  begunAt: number | null
}

export class JobAcceptance {
  readonly #run: DatabaseFile['run']
  readonly #get: DatabaseFile['get']
  readonly #jobOf: (id: string) => Job | undefined
  /** Counted here, so that one statement gets the numbers of all its rows. A failed transaction leaves a gap. */
  #lastSeq: number | undefined

  constructor({ run, get }: DatabaseFile, jobOf: (id: string) => Job | undefined) {
    this.#run = run
    this.#get = get
    this.#jobOf = jobOf
  }

  /** Answers in the order of the rows. */
  accept(rows: AcceptRow[]): AcceptedRow[] {
    const now = Date.now()
    let insertions: Insertion[] = []
    const accepted = rows.map((row): AcceptedRow => {
      const [id, , , , , , , notBefore, , , , begin, idempotency, tick] = row
      if (idempotency !== undefined) {
        // The first job of a key may be among the rows that are not inserted yet.
        this.#insert(insertions)
        insertions = []
        const known = this.#known(idempotency)
        if (known !== undefined) return known
        this.#storeKey(idempotency, id)
      }
      if (tick !== undefined) this.#storeTick(tick)
      const state = begin ? 'running' : notBefore !== null && notBefore > now ? 'scheduled' : 'queued'
      const begunAt = begin ? now : null
      insertions.push({ seq: this.#nextSeq(), row, state, begunAt })
      return [state, begunAt, idempotency?.expiresAt]
    })
    this.#insert(insertions)
    return accepted
  }

  #nextSeq(): number {
    this.#lastSeq ??= this.#get<{ seq: number | null }>('SELECT max(seq) AS seq FROM jobs')?.seq ?? 0
    this.#lastSeq += 1
    return this.#lastSeq
  }

  #insert(insertions: Insertion[]): void {
    let at = 0
    for (const count of ROWS_PER_STATEMENT) {
      for (; insertions.length - at >= count; at += count) {
        const batch = insertions.slice(at, at + count)
        this.#run(insertInto('jobs', JOB_COLUMNS, 15, count), ...batch.flatMap(jobValues))
        this.#run(insertInto('payloads', 'seq, payload', 2, count), ...batch.flatMap(({ seq, row }) => [seq, row[3]]))
      }
    }
  }

  #known({ scope, fingerprint }: Idempotency): AcceptedRow | undefined {
    const key = this.#get<{ fingerprint: string; jobId: string; expiresAt: number }>(
      'SELECT fingerprint, jobId, expiresAt FROM idempotencyKeys WHERE scope = ? AND expiresAt > ?',
      scope,
      Date.now(),
    )
    if (key === undefined) return undefined
    if (key.fingerprint !== fingerprint) return { kind: 'mismatch', jobId: key.jobId }
    const job = this.#jobOf(key.jobId)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(key.jobId)}`)
    return { kind: 'duplicate', job, keyExpiresAt: key.expiresAt }
  }

  #storeKey({ scope, fingerprint, expiresAt }: Idempotency, jobId: string): void {
    const sql = 'INSERT OR REPLACE INTO idempotencyKeys (scope, fingerprint, jobId, expiresAt) VALUES (?, ?, ?, ?)'
    this.#run(sql, scope, fingerprint, jobId, expiresAt)
  }

  #storeTick({ service, name, at }: Tick): void {
    this.#run('UPDATE schedules SET lastTickAt = ? WHERE service = ? AND name = ?', at, service, name)
  }
}

function jobValues({ seq, row, state, begunAt }: Insertion): unknown[] {
  const [id, service, method, , maxAttempts, priority, createdAt, notBefore, expiresAt, traceparent, schedule] = row
  const attempts = begunAt === null ? 0 : 1
  const times = [createdAt, begunAt, begunAt, notBefore, expiresAt]
  return [seq, id, service, method, state, attempts, maxAttempts, priority, ...times, traceparent, schedule]
}

const statements = new Map<string, string>()

function insertInto(table: string, columns: string, width: number, count: number): string {
  const key = `${table} ${count}`
  let sql = statements.get(key)
  if (sql === undefined) {
    const row = `(${new Array(width).fill('?').join(', ')})`
    sql = `INSERT INTO ${table} (${columns}) VALUES ${new Array(count).fill(row).join(', ')}`
    statements.set(key, sql)
  }
  return sql
}
