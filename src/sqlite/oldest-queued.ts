/**
 * Since when the oldest job of each service waits that could run: a queue that does not move is seen by it. The statement
 * jumps in two indexes from one service and priority to the next, and reads one job of each: it costs the same however
 * many jobs wait.
 */
import type { OldestQueued } from '../jobs/job-store.ts'
import { MAX_COUNTED_SERVICES } from '../jobs/store-limits.ts'
import type { DatabaseFile } from './database-file.ts'

/** SQL of the first row of an index in its order, behind the row `last` if there is a condition. */
const QUEUED = (where = '') =>
  `SELECT seq FROM jobs INDEXED BY jobsQueued WHERE state = 'queued' ${where} ORDER BY service, priority DESC, seq LIMIT 1`
const SCHEDULED = (where = '') =>
  `SELECT seq FROM jobs INDEXED BY jobsScheduled WHERE state = 'scheduled' ${where} ORDER BY service, notBefore LIMIT 1`

const SQL = `WITH RECURSIVE
  queued AS (SELECT seq, service, priority FROM jobs WHERE seq = (${QUEUED()})
    UNION ALL SELECT next.seq, next.service, next.priority FROM queued last JOIN jobs next ON next.seq = coalesce(
      (${QUEUED('AND service = last.service AND priority < last.priority')}), (${QUEUED('AND service > last.service')}))),
  scheduled AS (SELECT seq, service FROM jobs WHERE seq = (${SCHEDULED()})
    UNION ALL SELECT next.seq, next.service FROM scheduled last
      JOIN jobs next ON next.seq = (${SCHEDULED('AND service > last.service')}))
  SELECT service, min(max(createdAt, coalesce(notBefore, createdAt))) AS since FROM jobs
    WHERE seq IN (SELECT seq FROM queued UNION ALL SELECT seq FROM scheduled)
      AND (state = 'queued' OR notBefore <= ?) GROUP BY service LIMIT ${MAX_COUNTED_SERVICES}`

export function oldestQueued(file: DatabaseFile): OldestQueued[] {
  return file.all<OldestQueued>(SQL, Date.now())
}
