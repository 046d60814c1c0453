/**
 * The database file of the journal: its lock, schema, transactions and statements; each statement is prepared once. Runs
 * in the journal's process.
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { DatabaseSync, type StatementSyncInstance } from '@photostructure/sqlite'
import { MIGRATIONS } from './migrations.ts'
import { CORRUPT, MOVED, sqliteError } from './storage-errors.ts'

const NO_FILE = 'none'

export class DatabaseFile {
  readonly #db: InstanceType<typeof DatabaseSync>
  readonly #path: string
  readonly #statements = new Map<string, StatementSyncInstance>()
  /** The file and its write-ahead log → which file is open. */
  readonly #open = new Map<string, string>()

  /** @throws if another process has the file open, or it is damaged, of a newer version, or cannot be written */
  constructor(path: string) {
    const isNew = sizeOf(path) === 0
    // SQLite would take an empty file for a new one, and delete its write-ahead log.
    if (isNew && sizeOf(`${path}-wal`) > 0) {
      throw sqliteError(CORRUPT, 'the file is empty, and its write-ahead log is not')
    }
    makePrivate(path)
    this.#path = path
    this.#db = new DatabaseSync(path)
    try {
      this.#setUp(isNew)
      for (const file of [path, `${path}-wal`]) this.#open.set(file, identityOf(file))
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  /**
   * Prepares no statement: the binding keeps a file open and locked until its last statement is garbage-collected, and a
   * file that cannot be used yet is opened again and again.
   */
  #setUp(isNew: boolean): void {
    // The operating system releases an exclusive lock when the process ends, however it ends.
    this.#db.exec('PRAGMA locking_mode = EXCLUSIVE')
    // On an existing file this would write the setting again, which a full disk refuses.
    if (isNew) this.#db.exec('PRAGMA auto_vacuum = INCREMENTAL')
    this.#db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -32768;
      PRAGMA temp_store = MEMORY;
      PRAGMA wal_autocheckpoint = 4000;
    `)
    this.#migrate()
  }

  #migrate(): void {
    const version = this.#userVersion()
    if (version > MIGRATIONS.length) {
      throw new Error(
        `it was written by a newer version of threadplane (schema ${version}; this one knows ${MIGRATIONS.length})`,
      )
    }
    // This takes the lock, also where no script is left to run.
    this.#db.exec('BEGIN EXCLUSIVE')
    for (const script of MIGRATIONS.slice(version)) this.#db.exec(script)
    if (version < MIGRATIONS.length) this.#db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    this.#db.exec('COMMIT')
  }

  /** Read through a function of our own, as this must not prepare a statement. */
  #userVersion(): number {
    let version = 0
    this.#db.function('report', (found: number) => {
      version = found
    })
    this.#db.exec('SELECT report(user_version) FROM pragma_user_version')
    return version
  }

  begin(): void {
    this.run('BEGIN IMMEDIATE')
  }

  /** Which file is open, whatever its name is. */
  get identity(): string {
    return this.#open.get(this.#path) as string
  }

  /**
   * What is committed counts only if the next process finds it: somebody may have moved or deleted the folder, and
   * another SQLite in this process may have deleted the log. So this is checked before, when all can still be rolled
   * back, and once more after. @throws an error of which `isMoved` is true
   */
  commit(): void {
    this.#checkPlace()
    this.run('COMMIT')
    this.#checkPlace()
  }

  #checkPlace(): void {
    for (const [file, identity] of this.#open) {
      const found = identityOf(file)
      // SQLite creates the log when it is needed.
      if (identity === NO_FILE) this.#open.set(file, found)
      else if (found !== identity) throw sqliteError(MOVED, `${file} is not the file that is open`)
    }
  }

  rollback(): void {
    if (this.inTransaction) this.#db.exec('ROLLBACK')
  }

  /** SQLite rolls back by itself after some errors, such as a full disk. */
  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  /** How many rows were changed since the file was opened. */
  get changes(): number {
    return this.get<{ changes: number }>('SELECT total_changes() AS changes')?.changes ?? 0
  }

  /** Runs one operation of a transaction; if it fails, only its own changes are rolled back. */
  isolated<T>(operation: () => T): T {
    this.run('SAVEPOINT operation')
    try {
      const value = operation()
      this.run('RELEASE operation')
      return value
    } catch (error) {
      if (this.inTransaction) this.#db.exec('ROLLBACK TO operation; RELEASE operation')
      throw error
    }
  }

  readonly run = (sql: string, ...values: unknown[]): { changes: number; lastInsertRowid: number | bigint } =>
    this.#statement(sql).run(...values) as { changes: number; lastInsertRowid: number | bigint }

  readonly get = <T>(sql: string, ...values: unknown[]): T | undefined =>
    this.#statement(sql).get(...values) as T | undefined

  readonly all = <T>(sql: string, ...values: unknown[]): T[] => this.#statement(sql).all(...values) as T[]

  /** Rows as arrays: these cost less than objects to create, and to send to another process. */
  readonly tuples = <T extends unknown[]>(sql: string, ...values: unknown[]): T[] => {
    const isNew = !this.#statements.has(sql)
    const statement = this.#statement(sql)
    if (isNew) statement.setReturnArrays(true)
    return statement.all(...values) as T[]
  }

  /** For scripts and statements that run once: nothing is prepared. */
  exec(sql: string): void {
    this.#db.exec(sql)
  }

  #statement(sql: string): StatementSyncInstance {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Moves the write-ahead log into the file, and truncates both to their size. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** The binding closes the file only when its statements are collected, so the checkpoint is made here. */
  close(): void {
    this.#statements.clear()
    try {
      this.checkpoint()
    } finally {
      this.#db.close()
    }
  }
}

/** Payloads are for the user of the server alone. SQLite gives the write-ahead log the mode of the file. */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch {
    // SQLite says why it cannot be written.
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Which file is at a path, whatever its name is. */
function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? NO_FILE : `${found.dev}:${found.ino}`
}
