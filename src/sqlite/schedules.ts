/** The table of schedules. */
import type { Schedule } from '../jobs/job-store.ts'
import type { DatabaseFile } from './database-file.ts'

/** A damaged time must not keep the other schedules from being read. */
const TIME = (column: string, otherwise: string) =>
  `iif(${column} BETWEEN 0 AND 8640000000000000, ${column}, ${otherwise}) AS ${column}`
/** SQLite knows the length of a payload without reading it. */
const COLUMNS = `service, name, cron, timezone, method, source, octet_length(payload) AS payloadBytes,
  ${TIME('createdAt', '0')}, ${TIME('lastTickAt', 'NULL')}`

const PUT = `INSERT INTO schedules (service, name, cron, timezone, method, source, payload, createdAt)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (service, name) DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone, method = excluded.method,
    source = excluded.source, payload = excluded.payload,
    createdAt = iif(cron = excluded.cron AND timezone = excluded.timezone, createdAt, excluded.createdAt)`

export class ScheduleTable {
  readonly #file: DatabaseFile

  constructor(file: DatabaseFile) {
    this.#file = file
  }

  all(): Schedule[] {
    return this.#file.all<Schedule>(`SELECT ${COLUMNS} FROM schedules`)
  }

  payloads(service: string, names: string[]): (string | null)[] {
    const sql =
      'SELECT iif(json_valid(payload), payload, NULL) AS payload FROM schedules WHERE service = ? AND name = ?'
    return names.map((name) => this.#file.get<{ payload: string }>(sql, service, name)?.payload ?? null)
  }

  put(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Schedule {
    const { service, name, cron, timezone, method, source, createdAt } = schedule
    this.#file.run(PUT, service, name, cron, timezone, method, source, payload, createdAt)
    const sql = `SELECT ${COLUMNS} FROM schedules WHERE service = ? AND name = ?`
    return this.#file.get<Schedule>(sql, service, name) as Schedule
  }

  remove(service: string, name: string): void {
    this.#file.run('DELETE FROM schedules WHERE service = ? AND name = ?', service, name)
  }
}
