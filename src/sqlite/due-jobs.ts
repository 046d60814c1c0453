/** Jobs that wait for their time: those that are due are queued, and one is run before its time. */
import type { DatabaseFile } from './database-file.ts'

/** Scheduled jobs that are queued at a time because they are due. */
const MAX_QUEUED = 1_000

export function queueDue(file: DatabaseFile, service: string, now: number): void {
  file.run(
    `UPDATE jobs SET state = 'queued' WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobsScheduled
      WHERE service = ? AND state = 'scheduled' AND notBefore <= ? ORDER BY notBefore LIMIT ${MAX_QUEUED})`,
    service,
    now,
  )
}

export function nextDueAt(file: DatabaseFile, service: string): number | undefined {
  const queued = `SELECT 1 FROM jobs WHERE service = ? AND state = 'queued' LIMIT 1`
  if (file.get(queued, service) !== undefined) return Date.now()
  const sql = `SELECT min(notBefore) AS at FROM jobs WHERE service = ? AND state = 'scheduled'`
  return file.get<{ at: number | null }>(sql, service)?.at ?? undefined
}

export function runNow(file: DatabaseFile, id: string): void {
  const sql = `UPDATE jobs SET state = 'queued', notBefore = min(notBefore, ?) WHERE id = ? AND state = 'scheduled'`
  file.run(sql, Date.now(), id)
}
