/** The schedules as the journal keeps them. */
import type { Schedule } from '../jobs/job-store.ts'
import type { JournalFile } from './database-file.ts'

export class JournalSchedules {
  readonly #file: JournalFile

  constructor(file: JournalFile) {
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
