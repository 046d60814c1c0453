/**
 * The journal's SQL, one method an operation of the store. Runs in the journal's thread, inside the transaction of
 * its group; nothing here commits.
 */
import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSyncInstance } from '@photostructure/sqlite'
import { ThreadplaneError } from '../errors.ts'
import { type Job, type JobError, JOB_STATES, type JobState } from './job.ts'
import type { AcceptRequest, Idempotency, JobFilter, JobOutcome, JobPage, Schedule } from './job-store.ts'
import type { AcceptedRow } from './journal-protocol.ts'
import { MIGRATIONS } from './journal-schema.ts'

const COLUMNS = `seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, finishedAt,
  notBefore, expiresAt, history, result, error, traceparent`
/** Attempts whose history is kept with a job: the last ones. */
const MAX_HISTORY = 100
/** Scheduled jobs that are queued in one transaction when their time has come. */
const MAX_PROMOTED = 1_000
/** Free pages that are kept for what comes next; and how many of the others are given back in one transaction. */
const KEPT_PAGES = 1_024
const VACUUMED_PAGES = 256
const NOT_EXPIRED = '(expiresAt IS NULL OR expiresAt > ?)'

const SQLITE_CORRUPT = 11

/** An attempt succeeds or fails while it runs; what waits can be cancelled or expire. */
const ENDS_WHAT = {
  succeeded: `state = 'running'`,
  failed: `state = 'running'`,
  cancelled: 'finishedAt IS NULL',
  expired: `state IN ('queued', 'scheduled')`,
}

interface Row {
  seq: number
  id: string
  service: string
  method: string
  state: JobState
  attempts: number
  maxAttempts: number
  priority: number
  createdAt: number
  startedAt: number | null
  finishedAt: number | null
  notBefore: number | null
  expiresAt: number | null
  history: string
  result: string | null
  error: string | null
  traceparent: string | null
  payload?: string
}

export class JournalDatabase {
  readonly #db: InstanceType<typeof DatabaseSync>
  readonly #statements = new Map<string, StatementSyncInstance>()

  /** @throws if another process has it open, it is damaged, or it was written by a newer version */
  constructor(file: string) {
    refuseEmptied(file)
    this.#db = new DatabaseSync(file)
    // An exclusive lock is the operating system's: it goes with the process, however that ends.
    this.#db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -32768;
      PRAGMA temp_store = MEMORY;
      PRAGMA wal_autocheckpoint = 4000;
    `)
    this.#migrate()
  }

  #migrate(): void {
    const { user_version: version } = this.#db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version > MIGRATIONS.length) {
      throw new Error(
        `it was written by a newer version of threadplane (schema ${version}; this one knows ${MIGRATIONS.length})`,
      )
    }
    // Takes the lock, also where there is nothing to migrate.
    this.#db.exec('BEGIN EXCLUSIVE')
    for (const script of MIGRATIONS.slice(version)) this.#db.exec(script)
    if (version < MIGRATIONS.length) this.#db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    this.#db.exec('COMMIT')
  }

  begin(): void {
    this.#run('BEGIN IMMEDIATE')
  }

  commit(): void {
    this.#run('COMMIT')
  }

  rollback(): void {
    if (this.inTransaction) this.#db.exec('ROLLBACK')
  }

  /** After a full disk and the like SQLite may have rolled back by itself. */
  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  /** Runs one operation so that its failure takes nothing of the others with it. */
  isolated<T>(operation: () => T): T {
    this.#run('SAVEPOINT operation')
    try {
      const value = operation()
      this.#run('RELEASE operation')
      return value
    } catch (error) {
      if (this.inTransaction) this.#db.exec('ROLLBACK TO operation; RELEASE operation')
      throw error
    }
  }

  /** The binding closes its file with the last statement, and that ends with the thread: what is due is done here. */
  close(): void {
    this.#statements.clear()
    try {
      this.checkpoint()
    } finally {
      this.#db.close()
    }
  }

  accept({ job, idempotency, tick, begin }: AcceptRequest): AcceptedRow {
    const known = idempotency && this.#known(idempotency)
    if (known !== undefined) return known
    if (tick !== undefined) {
      const sql = 'UPDATE schedules SET lastTickAt = ? WHERE service = ? AND name = ?'
      this.#run(sql, tick.at, tick.service, tick.name)
    }
    const now = Date.now()
    const notBefore = ms(job.notBefore)
    const state = begin ? 'running' : notBefore !== null && notBefore > now ? 'scheduled' : 'queued'
    const { lastInsertRowid } = this.#run(
      `INSERT INTO jobs (id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, notBefore,
        expiresAt, history, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      job.id,
      job.service,
      job.method,
      state,
      begin ? 1 : 0,
      job.maxAttempts,
      job.priority,
      ms(job.createdAt),
      begin ? now : null,
      notBefore,
      ms(job.expiresAt),
      begin ? JSON.stringify([{ number: 1, startedAt: iso(now) }]) : '[]',
      job.traceparent,
    )
    this.#run('INSERT INTO payloads (seq, payload) VALUES (?, ?)', lastInsertRowid, job.payload)
    const accepted = { kind: 'new', state, begunAt: begin ? now : null } as const
    if (idempotency === undefined) return accepted
    const { scope, fingerprint, expiresAt } = idempotency
    this.#run(
      'INSERT OR REPLACE INTO idempotencyKeys (scope, fingerprint, jobId, expiresAt) VALUES (?, ?, ?, ?)',
      scope,
      fingerprint,
      job.id,
      expiresAt,
    )
    return { ...accepted, keyExpiresAt: expiresAt }
  }

  #known({ scope, fingerprint }: Idempotency): AcceptedRow | undefined {
    const key = this.#get<{ fingerprint: string; jobId: string; expiresAt: number }>(
      'SELECT fingerprint, jobId, expiresAt FROM idempotencyKeys WHERE scope = ? AND expiresAt > ?',
      scope,
      Date.now(),
    )
    if (key === undefined) return undefined
    if (key.fingerprint !== fingerprint) return { kind: 'mismatch', jobId: key.jobId }
    return { kind: 'duplicate', job: this.#present(key.jobId), keyExpiresAt: key.expiresAt }
  }

  get(id: string): Job | undefined {
    const row = this.#get<Row>(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`, id)
    return row && toJob(row)
  }

  #present(id: string): Job {
    const job = this.get(id)
    if (job === undefined) throw new ThreadplaneError('JOB_NOT_FOUND', `there is no job ${JSON.stringify(id)}`)
    return job
  }

  /** Newest first. Each combination of service, method and state is a range of one index; the ranges are merged. */
  list({ service, method, states, limit, cursor }: JobFilter): JobPage {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : this.#seqOf(cursor)
    const rows: Row[] = []
    if (service === undefined && method === undefined && states === undefined) {
      const sql = `SELECT ${COLUMNS} FROM jobs WHERE seq < ? ORDER BY seq DESC LIMIT ?`
      rows.push(...this.#all<Row>(sql, before, limit + 1))
    } else {
      const sql = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobsByState
        WHERE service = ? AND method = ? AND state = ? AND seq < ? ORDER BY seq DESC LIMIT ?`
      for (const kind of this.#kinds(service)) {
        if (method !== undefined && kind.method !== method) continue
        for (const each of states ?? JOB_STATES) {
          rows.push(...this.#all<Row>(sql, kind.service, kind.method, each, before, limit + 1))
        }
      }
      rows.sort((a, b) => b.seq - a.seq)
    }
    const items = rows.slice(0, limit)
    return { items: items.map(toJob), nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
  }

  #seqOf(id: string): number {
    return this.#get<{ seq: number }>('SELECT seq FROM jobs WHERE id = ?', id)?.seq ?? 0
  }

  /** The services and methods that have jobs, by jumps in the index. */
  *#kinds(only?: string): Generator<{ service: string; method: string }> {
    let service = only ?? this.#get<{ service: string }>('SELECT min(service) AS service FROM jobs')?.service
    while (typeof service === 'string') {
      const next = 'SELECT min(method) AS method FROM jobs INDEXED BY jobsByState WHERE service = ? AND method > ?'
      let method = this.#get<{ method: string | null }>(next, service, '')?.method
      while (typeof method === 'string') {
        yield { service, method }
        method = this.#get<{ method: string | null }>(next, service, method)?.method
      }
      if (only !== undefined) return
      const sql = 'SELECT min(service) AS service FROM jobs INDEXED BY jobsByState WHERE service > ?'
      service = this.#get<{ service: string }>(sql, service)?.service
    }
  }

  /** The oldest jobs of a state, not more than `limit`. */
  #inState(state: JobState, limit: number, only?: string): Pick<Row, 'id' | 'attempts' | 'maxAttempts'>[] {
    const sql = `SELECT id, attempts, maxAttempts FROM jobs INDEXED BY jobsByState
      WHERE service = ? AND method = ? AND state = ? ORDER BY seq LIMIT ?`
    return [...this.#kinds(only)].flatMap(({ service, method }) => this.#all<Row>(sql, service, method, state, limit))
  }

  due(service: string, limit: number): Job[] {
    const now = Date.now()
    this.#run(
      `UPDATE jobs SET state = 'queued' WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsScheduled
        WHERE service = ? AND state = 'scheduled' AND notBefore <= ? ORDER BY notBefore LIMIT ${MAX_PROMOTED})`,
      service,
      now,
    )
    return this.#all<Row>(
      `SELECT ${COLUMNS}, (SELECT payload FROM payloads WHERE payloads.seq = jobs.seq) AS payload
        FROM jobs INDEXED BY jobsQueued WHERE service = ? AND state = 'queued' AND ${NOT_EXPIRED}
        ORDER BY priority DESC, seq LIMIT ?`,
      service,
      now,
      limit,
    ).map(toJob)
  }

  nextDueAt(service: string): number | undefined {
    const queued = `SELECT 1 FROM jobs WHERE service = ? AND state = 'queued' LIMIT 1`
    if (this.#get(queued, service) !== undefined) return Date.now()
    const sql = `SELECT min(notBefore) AS at FROM jobs WHERE service = ? AND state = 'scheduled'`
    return this.#get<{ at: number | null }>(sql, service)?.at ?? undefined
  }

  beginAttempt(id: string): Job | undefined {
    const now = Date.now()
    const { changes } = this.#run(
      `UPDATE jobs SET state = 'running', attempts = attempts + 1, startedAt = coalesce(startedAt, ?),
        history = json_insert(history, '$[#]', json_object('number', attempts + 1, 'startedAt', ?))
        WHERE id = ? AND state = 'queued' AND ${NOT_EXPIRED}`,
      now,
      iso(now),
      id,
      now,
    )
    return changes === 0 ? undefined : this.get(id)
  }

  release(id: string, attempt: number): void {
    this.#run(
      `UPDATE jobs SET state = 'queued', attempts = attempts - 1, history = json_remove(history, '$[#-1]'),
        startedAt = iif(attempts = 1, NULL, startedAt)
        WHERE id = ? AND state = 'running' AND attempts = ?`,
      id,
      attempt,
    )
  }

  retry(id: string, attempt: number, error: JobError, notBefore: number): Job | undefined {
    this.#endAttempt(id, attempt, error)
    const { changes } = this.#run(
      `UPDATE jobs SET state = 'scheduled', notBefore = ? WHERE id = ? AND state = 'running' AND attempts = ?`,
      notBefore,
      id,
      attempt,
    )
    return changes === 0 ? undefined : this.get(id)
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Job | undefined {
    const error = outcome.state === 'succeeded' ? undefined : outcome.error
    this.#endAttempt(id, attempt, error)
    const { changes } = this.#run(
      `UPDATE jobs SET state = ?, finishedAt = ?, result = ?, error = ?
        WHERE id = ? AND attempts = ? AND ${ENDS_WHAT[outcome.state]}`,
      outcome.state,
      Date.now(),
      outcome.state === 'succeeded' ? outcome.result : null,
      error === undefined ? null : JSON.stringify(error),
      id,
      attempt,
    )
    return changes === 0 ? undefined : this.get(id)
  }

  #endAttempt(id: string, attempt: number, error: JobError | undefined): void {
    const end = error === undefined ? '' : `, '$[#-1].error', json(?)`
    this.#run(
      `UPDATE jobs SET history = json_set(
          iif(json_array_length(history) > ${MAX_HISTORY}, json_remove(history, '$[0]'), history),
          '$[#-1].endedAt', ?${end})
        WHERE id = ? AND attempts = ? AND state = 'running'`,
      iso(Date.now()),
      ...(error === undefined ? [] : [JSON.stringify(error)]),
      id,
      attempt,
    )
  }

  expire(limit: number): Job[] {
    const error: JobError = { code: 'JOB_EXPIRED', message: 'its ttlMs passed before it could run' }
    const late = this.#all<{ id: string; attempts: number }>(
      `SELECT id, attempts FROM jobs INDEXED BY jobsExpiring
        WHERE expiresAt <= ? AND expiresAt IS NOT NULL AND state IN ('queued', 'scheduled') LIMIT ?`,
      Date.now(),
      limit,
    )
    return late
      .map(({ id, attempts }) => this.finish(id, attempts, { state: 'expired', error }))
      .filter((job) => job !== undefined)
  }

  requeue(id: string): Job {
    this.#present(id)
    // The history goes on, and its numbers with it: the attempts left are counted from here.
    this.#run(
      `UPDATE jobs SET state = 'queued', maxAttempts = maxAttempts + attempts, finishedAt = NULL, error = NULL,
        notBefore = NULL, expiresAt = NULL WHERE id = ? AND finishedAt IS NOT NULL AND state <> 'succeeded'`,
      id,
    )
    return this.#present(id)
  }

  requeueFailed(service: string, limit: number, failedBy: number): number {
    const failed = [...this.#kinds(service)].flatMap(({ method }) =>
      this.#all<{ id: string }>(
        `SELECT id FROM jobs INDEXED BY jobsByState
          WHERE service = ? AND method = ? AND state = 'failed' AND finishedAt <= ? ORDER BY seq LIMIT ?`,
        service,
        method,
        failedBy,
        limit,
      ),
    )
    for (const { id } of failed.slice(0, limit)) this.requeue(id)
    return Math.min(failed.length, limit)
  }

  remove(id: string): void {
    const key = this.#get<{ expiresAt: number }>(
      'SELECT expiresAt FROM idempotencyKeys WHERE jobId = ? AND expiresAt > ?',
      id,
      Date.now(),
    )
    if (key !== undefined) {
      const until = iso(key.expiresAt)
      throw new ThreadplaneError('CONFLICT', `the job is kept until its idempotency key expires, at ${until}`, {
        jobId: id,
      })
    }
    this.#run('DELETE FROM payloads WHERE seq = (SELECT seq FROM jobs WHERE id = ?)', id)
    this.#run('DELETE FROM jobs WHERE id = ?', id)
  }

  unfinished(service: string, limit: number): string[] {
    return (['scheduled', 'queued', 'running'] as const)
      .flatMap((state) => this.#inState(state, limit, service).map(({ id }) => id))
      .slice(0, limit)
  }

  countUnfinished(service: string): number {
    const sql = `SELECT count(*) AS count FROM jobs INDEXED BY jobsByState
      WHERE service = ? AND method = ? AND state IN ('scheduled', 'queued', 'running')`
    return [...this.#kinds(service)].reduce(
      (sum, { method }) => sum + (this.#get<{ count: number }>(sql, service, method)?.count ?? 0),
      0,
    )
  }

  schedules(): Schedule[] {
    return this.#all<Schedule & { payload: string }>('SELECT * FROM schedules').map((schedule) => ({
      ...schedule,
      payload: JSON.parse(schedule.payload) as unknown,
    }))
  }

  putSchedule({ service, name, cron, timezone, method, payload, createdAt, lastTickAt }: Schedule): void {
    this.#run(
      'INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      service,
      name,
      cron,
      timezone,
      method,
      JSON.stringify(payload),
      createdAt,
      lastTickAt,
    )
  }

  removeSchedule(service: string, name: string): void {
    this.#run('DELETE FROM schedules WHERE service = ? AND name = ?', service, name)
  }

  /** A job found running was under way when the process ended: that attempt counts (P3). */
  recover(): number {
    const error: JobError = { code: 'THREAD_DIED', message: 'the server ended during the attempt' }
    const running = this.#inState('running', Number.MAX_SAFE_INTEGER)
    for (const { id, attempts, maxAttempts } of running) {
      if (attempts < maxAttempts) this.retry(id, attempts, error, Date.now())
      else this.finish(id, attempts, { state: 'failed', error })
    }
    return running.length
  }

  /** Jobs that finished by then are forgotten: for their age, or because there are more than `maxFinished`. */
  retainedAfter(finishedBy: number, maxFinished: number): number {
    const excess = this.#get<{ finishedAt: number }>(
      `SELECT finishedAt FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL
        ORDER BY finishedAt DESC LIMIT 1 OFFSET ?`,
      maxFinished,
    )
    return Math.max(finishedBy, excess?.finishedAt ?? 0)
  }

  /** Deletes a step of what is to be forgotten; true if there is more of it. */
  forget(finishedBy: number, step: number): boolean {
    const keys = this.#run(
      `DELETE FROM idempotencyKeys WHERE scope IN
        (SELECT scope FROM idempotencyKeys INDEXED BY keysExpiring WHERE expiresAt <= ? LIMIT ?)`,
      Date.now(),
      step,
    )
    const seqs = this.#all<{ seq: number }>(
      `SELECT seq FROM jobs INDEXED BY jobsFinished WHERE finishedAt IS NOT NULL AND finishedAt <= ?
        AND NOT EXISTS (SELECT 1 FROM idempotencyKeys WHERE jobId = jobs.id) ORDER BY finishedAt LIMIT ?`,
      finishedBy,
      step,
    )
    for (const { seq } of seqs) {
      this.#run('DELETE FROM payloads WHERE seq = ?', seq)
      this.#run('DELETE FROM jobs WHERE seq = ?', seq)
    }
    return keys.changes === step || seqs.length === step
  }

  /** Gives a step of the free pages back to the file system, outside a transaction; true if there are more of them. */
  shrink(): boolean {
    const { freelist_count: free } = this.#get<{ freelist_count: number }>('PRAGMA freelist_count') ?? {
      freelist_count: 0,
    }
    if (free <= KEPT_PAGES) return false
    this.#db.exec(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
    return true
  }

  /** Moves what the write-ahead log holds to the file, and cuts both to their size. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  #statement(sql: string): StatementSyncInstance {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #run(sql: string, ...values: unknown[]): { changes: number; lastInsertRowid: number | bigint } {
    return this.#statement(sql).run(...values) as { changes: number; lastInsertRowid: number | bigint }
  }

  #get<T>(sql: string, ...values: unknown[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined
  }

  #all<T>(sql: string, ...values: unknown[]): T[] {
    return this.#statement(sql).all(...values) as T[]
  }
}

/** SQLite takes a file without contents for a new one, and deletes the log beside it. @throws */
function refuseEmptied(file: string): void {
  const size = (of: string) => statSync(of, { throwIfNoEntry: false })?.size ?? 0
  if (size(file) > 0 || size(`${file}-wal`) === 0) return
  throw Object.assign(new Error('the file is empty, and its write-ahead log is not'), { sqliteCode: SQLITE_CORRUPT })
}

function toJob({ seq: _seq, payload = '', history, error, ...row }: Row): Job {
  return {
    ...row,
    payload,
    history: JSON.parse(history) as Job['history'],
    progress: null,
    createdAt: iso(row.createdAt),
    startedAt: isoOrNull(row.startedAt),
    finishedAt: isoOrNull(row.finishedAt),
    notBefore: isoOrNull(row.notBefore),
    expiresAt: isoOrNull(row.expiresAt),
    error: error === null ? null : (JSON.parse(error) as JobError),
  }
}

function ms(timestamp: string | null): number | null {
  return timestamp === null ? null : Date.parse(timestamp)
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at)
}
