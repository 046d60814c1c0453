/**
 * Ends the attempts of nodes that have gone: their rows are deleted when they leave, and by the others when they have not
 * beaten for a lease. Each such attempt counts (P3), as if its server had ended.
 */
import { errorKeyOf } from '../jobs/error-key.ts'
import { CANCELLED, SERVER_ENDED } from '../jobs/job.ts'
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
  RETURNING service`,
)

/** Forgets nodes that have not beaten for so long. Answers their ids. */
export async function forgetNodes(run: Run, leaseMs: number): Promise<string[]> {
  return (await run<{ id: string }>(FORGET_NODES, [leaseMs / 1_000])).rows.map(({ id }) => id)
}

/** Ends the attempts of nodes without a row. Answers the service of each. */
export async function endLostAttempts(run: Run): Promise<string[]> {
  const given = [JSON.stringify(SERVER_ENDED), JSON.stringify(CANCELLED), errorKeyOf(SERVER_ENDED)]
  const services: string[] = []
  for (;;) {
    const { rows } = await run<{ service: string }>(END_LOST, given)
    for (const { service } of rows) services.push(service)
    if (rows.length < STEP) return services
  }
}
