/**
 * Ends the attempts of nodes that have gone: their rows are deleted when they leave, and by the others when they have not
 * beaten for a lease. Each such attempt counts (P3), as if its server had ended.
 */
import { errorKeyOf } from '../jobs/error-key.ts'
import { CANCELLED, type JobError, SERVER_ENDED } from '../jobs/job.ts'
import type { EventJob } from '../contract/events.ts'
import { HISTORY } from './job-row.ts'
import { type Run, statement } from './statement.ts'
import { NOW } from './store-clock.ts'

/** Attempts that one transaction ends. */
const STEP = 1_000

const FORGET_NODES = statement(
  'forgetNodes',
  'DELETE FROM nodes WHERE seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING id::text AS id',
)

const GOES_ON = 'NOT cancel AND attempts < max_attempts'
const END_LOST = statement(
  'endLost',
  `UPDATE jobs SET
    state = CASE WHEN cancel THEN 'cancelled' WHEN ${GOES_ON} THEN 'scheduled' ELSE 'failed' END,
    history = CASE WHEN ${GOES_ON} THEN ${HISTORY(NOW, '$1::text')} ELSE history END,
    begun_at = CASE WHEN ${GOES_ON} THEN NULL ELSE begun_at END,
    not_before = CASE WHEN ${GOES_ON} THEN ${NOW} ELSE not_before END,
    finished_at = CASE WHEN ${GOES_ON} THEN NULL ELSE ${NOW} END,
    error = CASE WHEN cancel THEN $2::text WHEN ${GOES_ON} THEN NULL ELSE $1::text END,
    error_key = CASE WHEN NOT cancel AND attempts >= max_attempts THEN $3::text END,
    node = NULL, cancel = false
  WHERE seq = ANY(ARRAY(SELECT seq FROM jobs lost WHERE state = 'running' AND node IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = lost.node) ORDER BY node LIMIT ${STEP} FOR UPDATE SKIP LOCKED))
  RETURNING id::text AS id, service, method, state, attempts, max_attempts AS "maxAttempts", priority`,
)

/** Forgets nodes that have not beaten for so long. Answers their ids. */
export async function forgetNodes(run: Run, leaseMs: number): Promise<string[]> {
  return (await run<{ id: string }>(FORGET_NODES, [leaseMs / 1_000])).rows.map(({ id }) => id)
}

/** A job of which an attempt has ended with its node, and why. */
export interface LostAttempt {
  job: EventJob
  error: JobError
}

/** Ends the attempts of nodes without a row. */
export async function endLostAttempts(run: Run): Promise<LostAttempt[]> {
  const given = [JSON.stringify(SERVER_ENDED), JSON.stringify(CANCELLED), errorKeyOf(SERVER_ENDED)]
  const lost: LostAttempt[] = []
  for (;;) {
    const { rows } = await run<EventJob>(END_LOST, given)
    for (const job of rows) lost.push({ job, error: job.state === 'cancelled' ? CANCELLED : SERVER_ENDED })
    if (rows.length < STEP) return lost
  }
}
