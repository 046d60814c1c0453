/**
 * Since when the oldest job of each service waits that could run: a queue that does not move is seen by it. The statement
 * jumps in two indexes from one service and priority to the next, and reads one job of each: it costs the same however
 * many jobs wait.
 */
import type { OldestQueued } from '../jobs/job-store.ts'
import { MAX_COUNTED_SERVICES } from '../jobs/store-limits.ts'
import { type Run, statement } from './statement.ts'
import { NOW, type StoreClock } from './store-clock.ts'

const QUEUED = (where = '') =>
  `SELECT seq FROM jobs WHERE state = 'queued' ${where} ORDER BY service, priority DESC, seq LIMIT 1`
const SCHEDULED = (where = '') =>
  `SELECT seq FROM jobs WHERE state = 'scheduled' ${where} ORDER BY service, not_before LIMIT 1`

const OLDEST = statement(
  'oldestQueued',
  `WITH RECURSIVE
    queued AS (SELECT seq, service, priority FROM jobs WHERE seq = (${QUEUED()})
      UNION ALL SELECT next.seq, next.service, next.priority FROM queued last JOIN jobs next ON next.seq = coalesce(
        (${QUEUED('AND service = last.service AND priority < last.priority')}), (${QUEUED('AND service > last.service')}))),
    scheduled AS (SELECT seq, service FROM jobs WHERE seq = (${SCHEDULED()})
      UNION ALL SELECT next.seq, next.service FROM scheduled last
        JOIN jobs next ON next.seq = (${SCHEDULED('AND service > last.service')}))
    SELECT service, min(greatest(created_at, not_before)) AS since FROM jobs
      WHERE seq = ANY(ARRAY(SELECT seq FROM queued UNION ALL SELECT seq FROM scheduled))
        AND (state = 'queued' OR not_before <= ${NOW}) GROUP BY service LIMIT ${MAX_COUNTED_SERVICES}`,
)

export async function oldestQueued(run: Run, clock: StoreClock): Promise<OldestQueued[]> {
  const { rows } = await run<OldestQueued>(OLDEST, [])
  return rows.map(({ service, since }) => ({ service, since: clock.fromStore(since) }))
}
