/**
 * What the failed attempts of jobs have logged last. They are kept of as many attempts as the history of a job holds, and
 * deleted with the job.
 */
import { MAX_HISTORY } from '../jobs/store-limits.ts'
import { isId } from './job-row.ts'
import { type Run, statement } from './statement.ts'

/**
 * Makes a statement that ends attempts keep their logs too, in the same transaction.
 * @param end SQL of an UPDATE that answers `id` and `attempt` of what it has changed
 * @param logs the parameter with a log, or NULL, for each id of `$1` and attempt of `$2`
 */
export const WITH_LOGS = (end: string, logs: string) => `WITH ended AS (${end}),
  logs AS MATERIALIZED (SELECT v.id, v.attempt, v.log FROM unnest($1::uuid[], $2::int[], ${logs}::text[]) AS v (id, attempt, log)
    WHERE v.log IS NOT NULL AND v.id = ANY(ARRAY(SELECT id FROM ended))),
  added AS (INSERT INTO attempt_logs (job_id, attempt, log) SELECT id, attempt, log FROM logs ON CONFLICT DO NOTHING),
  removed AS (DELETE FROM attempt_logs old USING logs
    WHERE old.job_id = logs.id AND old.attempt <= logs.attempt - ${MAX_HISTORY})
  SELECT id::text AS id FROM ended`

const LOGS = statement('attemptLogs', 'SELECT log FROM attempt_logs WHERE job_id = $1 ORDER BY attempt')

export async function readAttemptLogs(run: Run, id: string): Promise<string[]> {
  if (!isId(id)) return []
  return (await run<{ log: string }>(LOGS, [id])).rows.map(({ log }) => log)
}
