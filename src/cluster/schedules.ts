/** The table of schedules. */
import type { Schedule } from '../jobs/job-store.ts'
import { type Run, statement } from './statement.ts'

const COLUMNS = `service, name, cron, timezone, method, source, octet_length(payload) AS "payloadBytes",
  created_at AS "createdAt", last_tick_at AS "lastTickAt"`

const ALL = statement('schedules', `SELECT ${COLUMNS} FROM schedules ORDER BY service, name`)
const PAYLOADS = statement(
  'schedulePayloads',
  'SELECT name, payload FROM schedules WHERE service = $1 AND name = ANY($2::text[])',
)
/** SQL of a change, which is noted: the other nodes read the schedules again. */
const NOTED = (change: string, columns: string) => `WITH changed AS (${change} RETURNING ${columns}),
  noted AS (UPDATE changes SET revision = nextval('revisions') WHERE kind = 'schedules' AND EXISTS (SELECT 1 FROM changed))
  SELECT * FROM changed`

const PUT = statement(
  'putSchedule',
  NOTED(
    `INSERT INTO schedules AS known (service, name, cron, timezone, method, source, payload, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (service, name) DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone,
      method = excluded.method, source = excluded.source, payload = excluded.payload,
      created_at = CASE WHEN known.cron = excluded.cron AND known.timezone = excluded.timezone
        THEN known.created_at ELSE excluded.created_at END`,
    COLUMNS,
  ),
)
const REMOVE = statement('removeSchedule', NOTED('DELETE FROM schedules WHERE service = $1 AND name = $2', 'service'))

export class ScheduleTable {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  async all(): Promise<Schedule[]> {
    return (await this.#run<Schedule>(ALL, [])).rows
  }

  async payloads(service: string, names: string[]): Promise<(string | null)[]> {
    const { rows } = await this.#run<{ name: string; payload: string }>(PAYLOADS, [service, names])
    const byName = new Map(rows.map(({ name, payload }) => [name, payload]))
    return names.map((name) => byName.get(name) ?? null)
  }

  async put(schedule: Omit<Schedule, 'lastTickAt'>, payload: string): Promise<Schedule> {
    const { service, name, cron, timezone, method, source, createdAt } = schedule
    const values = [service, name, cron, timezone, method, source, payload, createdAt]
    const { rows } = await this.#run<Schedule>(PUT, values)
    return rows[0] as Schedule
  }

  async remove(service: string, name: string): Promise<void> {
    await this.#run(REMOVE, [service, name])
  }
}
