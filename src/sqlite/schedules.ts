/** The table of schedules. */
import type { Schedule } from '../jobs/job-store.ts'
import type { DatabaseFile } from './database-file.ts'

export class ScheduleTable {
  readonly #file: DatabaseFile

  constructor(file: DatabaseFile) {
    this.#file = file
  }

  all(): Schedule[] {
    return this.#file.all<Schedule & { payload: string }>('SELECT * FROM schedules').map((schedule) => ({
      ...schedule,
      payload: JSON.parse(schedule.payload) as unknown,
    }))
  }

  put({ service, name, cron, timezone, method, payload, createdAt, lastTickAt }: Schedule): void {
    this.#file.run(
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

  remove(service: string, name: string): void {
    this.#file.run('DELETE FROM schedules WHERE service = ? AND name = ?', service, name)
  }
}
