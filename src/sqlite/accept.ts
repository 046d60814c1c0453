/**
 * Takes jobs in, with their idempotency keys and the ticks they stand for. Runs in the journal's thread, inside the
 * transaction of its group. Most of what a row costs is the call of a statement, so one statement takes many rows.
 */
import { ThreadplaneError } from '../contract/errors.ts'
import type { Job, JobState } from '../jobs/job.ts'
import type { Idempotency, Tick } from '../jobs/job-store.ts'
import type { JournalFile } from './database-file.ts'
import type { AcceptedRow, AcceptRow } from './messages.ts'

/** Of each there is a statement; what comes is taken apart into as few as can be. */
const ROWS_A_STATEMENT = [64, 16, 4, 1] as const
const JOB_COLUMNS = `seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, begunAt,
  notBefore, expiresAt, traceparent`

interface Insertion {
  seq: number
  row: AcceptRow
  state: JobState
  /** When its first attempt begins, if it begins at once. */
  begunAt: number | null
}

export class JournalAcceptance {
  readonly #run: JournalFile['run']
  readonly #get: JournalFile['get']
  readonly #jobOf: (id: string) => Job | undefined
  /** Counted here, so that a statement can be told all of its numbers; those of a transaction that failed are not used. */
  #lastSeq: number | undefined

  constructor({ run, get }: JournalFile, jobOf: (id: string) => Job | undefined) {
    this.#run = run
    this.#get = get
    this.#jobOf = jobOf
  }

  /** In the order of the rows. */
  accept(rows: AcceptRow[]): AcceptedRow[] {
    const now = Date.now()
    let insertions: Insertion[] = []
    const accepted = rows.map((row): AcceptedRow => {
      const [id, , , , , , , notBefore, , , begin, idempotency, tick] = row
      if (idempotency !== undefined) {
        // The job that a key stands for may have come in the same transaction.
        this.#insert(insertions)
        insertions = []
        const known = this.#known(idempotency)
        if (known !== undefined) return known
        this.#keepKey(idempotency, id)
      }
      if (tick !== undefined) this.#keepTick(tick)
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
    for (const count of ROWS_A_STATEMENT) {
      for (; insertions.length - at >= count; at += count) {
        const some = insertions.slice(at, at + count)
        this.#run(insertInto('jobs', JOB_COLUMNS, 14, count), ...some.flatMap(jobValues))
        this.#run(insertInto('payloads', 'seq, payload', 2, count), ...some.flatMap(({ seq, row }) => [seq, row[3]]))
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

  #keepKey({ scope, fingerprint, expiresAt }: Idempotency, jobId: string): void {
    const sql = 'INSERT OR REPLACE INTO idempotencyKeys (scope, fingerprint, jobId, expiresAt) VALUES (?, ?, ?, ?)'
    this.#run(sql, scope, fingerprint, jobId, expiresAt)
  }

  #keepTick({ service, name, at }: Tick): void {
    this.#run('UPDATE schedules SET lastTickAt = ? WHERE service = ? AND name = ?', at, service, name)
  }
}

function jobValues({ seq, row, state, begunAt }: Insertion): unknown[] {
  const [id, service, method, , maxAttempts, priority, createdAt, notBefore, expiresAt, traceparent] = row
  const attempts = begunAt === null ? 0 : 1
  const times = [createdAt, begunAt, begunAt, notBefore, expiresAt]
  return [seq, id, service, method, state, attempts, maxAttempts, priority, ...times, traceparent]
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
