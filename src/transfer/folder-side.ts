/**
 * The data folder of a server: its journal, which is locked as a server locks it, and `services.json`. In the journal, a
 * payload and the key of an error are in tables of their own.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../registry/data-folder.ts'
import { readServices, writeServices } from '../registry/registration-file.ts'
import { cannotOpen, JOURNAL_FILE } from '../sqlite/cannot-open.ts'
import { DatabaseFile } from '../sqlite/database-file.ts'
import { Failures } from '../sqlite/failures.ts'
import { JobLists } from '../sqlite/lists.ts'
import { openTrouble } from '../sqlite/storage-errors.ts'
import { JobTransitions } from '../sqlite/transitions.ts'
import type { Place, RegistrationTexts, Side } from './side.ts'
import { ATTEMPT_LOGS, JOBS, type Key, NOT_COPIED, type Row, type Table, TABLES } from './tables.ts'

/** Columns of a table that are in another table: SQL that reads them. */
const ELSEWHERE = new Map<Table, Record<string, string>>([
  [
    JOBS,
    {
      payload: `coalesce((SELECT payload FROM payloads WHERE payloads.seq = jobs.seq), '')`,
      errorKey: '(SELECT errorKey FROM failures WHERE failures.seq = jobs.seq)',
    },
  ],
  [ATTEMPT_LOGS, { jobId: '(SELECT id FROM jobs WHERE jobs.seq = attemptLogs.seq)' }],
])

export class FolderSide implements Side {
  readonly name: string
  readonly #folder: string
  readonly #file: DatabaseFile

  private constructor(folder: string, file: DatabaseFile) {
    this.name = `the data folder ${folder}`
    this.#folder = folder
    this.#file = file
  }

  /**
   * @param role a source has a journal; a target may be a new folder
   * @throws if a server uses the folder, or it cannot be used
   */
  static async open(folder: string, role: 'source' | 'target'): Promise<FolderSide> {
    const path = join(folder, JOURNAL_FILE)
    if (role === 'source' && !existsSync(path))
      throw new Error(`there is no ${JOURNAL_FILE} in the data folder ${folder}`)
    await makeFolder(folder)
    let file: DatabaseFile
    try {
      file = new DatabaseFile(path)
    } catch (error) {
      throw await cannotOpen(folder, openTrouble(path, error).kind, error)
    }
    try {
      file.begin()
      const lists = new JobLists(file)
      if (role === 'source') new JobTransitions(file, lists, new Failures(file, lists)).recover()
      return new FolderSide(folder, file)
    } catch (error) {
      file.close()
      throw error
    }
  }

  async places(table: Table, after: Key | undefined, limit: number): Promise<Place[]> {
    const { by, start } = table.order.journal
    const order = by.join(', ')
    const bytes = table.large.map((name) => `coalesce(octet_length(${readFrom(table, name)}), 0)`)
    const sql = `SELECT ${order}, ${['0', ...bytes].join(' + ')} FROM ${table.journal}
      WHERE (${order}) > (${marks(by.length)}) ORDER BY ${order} LIMIT ?`
    const found = this.#file.tuples<Key>(sql, ...(after ?? start), limit)
    return found.map((tuple) => ({ key: tuple.slice(0, -1), bytes: Number(tuple.at(-1)) }))
  }

  async rows(table: Table, after: Key | undefined, upTo: Key): Promise<Row[]> {
    const { by, start } = table.order.journal
    const read = table.columns.map(({ name }) => `${readFrom(table, name)} AS ${name}`)
    const order = by.join(', ')
    const sql = `SELECT ${read.join(', ')} FROM ${table.journal} WHERE (${order}) > (${marks(by.length)})
      AND (${order}) <= (${marks(by.length)}) ORDER BY ${order}`
    return this.#file.all<Row>(sql, ...(after ?? start), ...upTo)
  }

  async count({ journal }: Table): Promise<number> {
    return this.#file.get<{ count: number }>(`SELECT count(*) AS count FROM ${journal}`)?.count ?? 0
  }

  async registrations(): Promise<RegistrationTexts> {
    const services = await readServices(this.#folder)
    return new Map(services.map(([name, stored]) => [name, JSON.stringify(stored)]))
  }

  async clear(): Promise<void> {
    for (const table of [...TABLES.map(({ journal }) => journal), ...NOT_COPIED.journal]) {
      this.#file.exec(`DELETE FROM ${table}`)
    }
  }

  async add(table: Table, rows: Row[]): Promise<void> {
    if (table === ATTEMPT_LOGS) return this.#addLogs(rows)
    const names = table.columns.map(({ name }) => name).filter((name) => readFrom(table, name) === name)
    const sql = `INSERT INTO ${table.journal} (${names.join(', ')}) VALUES (${marks(names.length)})`
    for (const row of rows) {
      this.#file.run(sql, ...names.map((name) => row[name]))
      if (table === JOBS) this.#addParts(row)
    }
  }

  #addLogs(rows: Row[]): void {
    const sql = 'INSERT INTO attemptLogs (seq, attempt, log) VALUES ((SELECT seq FROM jobs WHERE id = ?), ?, ?)'
    for (const { jobId, attempt, log } of rows) this.#file.run(sql, jobId, attempt, log)
  }

  #addParts({ seq, service, method, payload, errorKey, finishedAt, createdAt }: Row): void {
    this.#file.run('INSERT INTO payloads (seq, payload) VALUES (?, ?)', seq, payload)
    if (errorKey === null) return
    const sql = 'INSERT INTO failures (seq, service, method, errorKey, failedAt) VALUES (?, ?, ?, ?, ?)'
    this.#file.run(sql, seq, service, method, errorKey, finishedAt ?? createdAt)
  }

  async setRegistrations(registrations: RegistrationTexts): Promise<void> {
    const services = [...registrations].map(([name, text]) => [name, JSON.parse(text) as unknown] as const)
    await writeServices(this.#folder, services)
  }

  async commit(): Promise<void> {
    this.#file.commit()
  }

  async close(): Promise<void> {
    this.#file.rollback()
    this.#file.close()
  }
}

/** SQL of a column of a row. */
function readFrom(table: Table, name: string): string {
  return ELSEWHERE.get(table)?.[name] ?? name
}

function marks(count: number): string {
  return new Array<string>(count).fill('?').join(', ')
}
