/**
 * The file of the journal: its lock, its schema, its transactions, and its statements, each prepared once. Runs in the
 * journal's thread.
 */
import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSyncInstance } from '@photostructure/sqlite'
import { MIGRATIONS } from './migrations.ts'
import { CORRUPT, sqliteError } from './trouble.ts'

export class JournalFile {
  readonly #db: InstanceType<typeof DatabaseSync>
  readonly #statements = new Map<string, StatementSyncInstance>()

  /** @throws if another process has it open, it is damaged, it was written by a newer version, or cannot be written */
  constructor(path: string) {
    const isNew = sizeOf(path) === 0
    // SQLite takes a file without contents for a new one, and deletes the log beside it.
    if (isNew && sizeOf(`${path}-wal`) > 0) {
      throw sqliteError(CORRUPT, 'the file is empty, and its write-ahead log is not')
    }
    this.#db = new DatabaseSync(path)
    try {
      this.#setUp(isNew)
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  /**
   * Prepares no statement: the binding keeps a file open until its last statement is collected, and its lock with it;
   * one that cannot be used yet is opened again and again.
   */
  #setUp(isNew: boolean): void {
    // An exclusive lock is the operating system's: it goes with the process, however that ends.
    this.#db.exec('PRAGMA locking_mode = EXCLUSIVE')
    // Said to a file that has it already, it writes that down again, which a full disk refuses.
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
    // Takes the lock, also where there is nothing to migrate.
    this.#db.exec('BEGIN EXCLUSIVE')
    for (const script of MIGRATIONS.slice(version)) this.#db.exec(script)
    if (version < MIGRATIONS.length) this.#db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    this.#db.exec('COMMIT')
  }

  #userVersion(): number {
    let version = 0
    this.#db.function('tell', (found: number) => {
      version = found
    })
    this.#db.exec('SELECT tell(user_version) FROM pragma_user_version')
    return version
  }

  begin(): void {
    this.run('BEGIN IMMEDIATE')
  }

  commit(): void {
    this.run('COMMIT')
  }

  rollback(): void {
    if (this.inTransaction) this.#db.exec('ROLLBACK')
  }

  /** After a full disk and the like SQLite may have rolled back by itself. */
  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  /** Rows that were changed so far. */
  get changes(): number {
    return this.get<{ changes: number }>('SELECT total_changes() AS changes')?.changes ?? 0
  }

  /** Runs one operation so that its failure takes nothing of the others with it. */
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

  /** Rows as arrays: they cost less than objects, and cross to another thread for less. */
  readonly tuples = <T extends unknown[]>(sql: string, ...values: unknown[]): T[] => {
    const isNew = !this.#statements.has(sql)
    const statement = this.#statement(sql)
    if (isNew) statement.setReturnArrays(true)
    return statement.all(...values) as T[]
  }

  /** Scripts, and what is said once. */
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

  /** Moves what the write-ahead log holds to the file, and cuts both to their size. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
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
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
