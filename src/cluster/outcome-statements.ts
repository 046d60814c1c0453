/**
 * The statements that end attempts. All take ids, attempts, the node, and whether they are repeated: then they also answer
 * jobs that look as if the same statement had changed them before, and leave these as they are.
 */
import { WITH_LOGS } from './attempt-logs.ts'
import { HISTORY } from './job-row.ts'
import { statement } from './statement.ts'

/** Rows are locked in the order of their ids, so that two statements do not wait for each other. */
const GIVEN = (more: string, columns: string) =>
  `(SELECT * FROM unnest($1::uuid[], $2::int[]${more}) AS v (id, attempt${columns}) ORDER BY id) v`
const RUNS_HERE = `jobs.state = 'running' AND jobs.attempts = v.attempt AND jobs.node = $3::uuid`
/** SQL of a value that is only changed by the first of repeated statements. */
const IF_RUNNING = (value: string, column: string) =>
  `CASE WHEN jobs.state = 'running' THEN ${value} ELSE jobs.${column} END`

export const END_ATTEMPTS = statement(
  'endAttempts',
  WITH_LOGS(
    `UPDATE jobs SET state = v.state, finished_at = ${IF_RUNNING('CASE WHEN v.begun THEN greatest(v.at, jobs.begun_at) ELSE v.at END', 'finished_at')},
      result = v.result, error = v.error, error_key = v.error_key, node = NULL, cancel = false,
      attempts = ${IF_RUNNING('jobs.attempts - (NOT v.begun)::int', 'attempts')},
      begun_at = CASE WHEN v.begun THEN jobs.begun_at END,
      started_at = CASE WHEN NOT v.begun AND v.attempt = 1 THEN NULL ELSE jobs.started_at END
    FROM ${GIVEN(', $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::boolean[]', ', state, at, result, error, error_key, begun')}
    WHERE jobs.id = v.id AND (${RUNS_HERE} OR ($4::boolean AND jobs.state = v.state AND jobs.node IS NULL
      AND jobs.attempts = v.attempt - (NOT v.begun)::int
      AND jobs.finished_at = CASE WHEN v.begun THEN greatest(v.at, jobs.begun_at) ELSE v.at END))
    RETURNING jobs.id`,
    '$11',
  ),
)

export const RETRY_ATTEMPTS = statement(
  'retryAttempts',
  WITH_LOGS(
    `UPDATE jobs SET state = ${IF_RUNNING("'scheduled'", 'state')}, not_before = v.not_before,
      history = ${IF_RUNNING(HISTORY('greatest(v.at, jobs.begun_at)', 'v.error'), 'history')}, begun_at = NULL, node = NULL,
      cancel = false
    FROM ${GIVEN(', $5::bigint[], $6::bigint[], $7::text[]', ', at, not_before, error')}
    WHERE jobs.id = v.id AND (${RUNS_HERE} OR ($4::boolean AND jobs.state IN ('scheduled', 'queued')
      AND jobs.attempts = v.attempt AND jobs.not_before = v.not_before))
    RETURNING jobs.id`,
    '$8',
  ),
)

export const RELEASE_ATTEMPTS = statement(
  'releaseAttempts',
  `UPDATE jobs SET state = 'queued', attempts = ${IF_RUNNING('jobs.attempts - 1', 'attempts')}, begun_at = NULL, node = NULL,
      cancel = false, started_at = CASE WHEN v.attempt = 1 THEN NULL ELSE jobs.started_at END
    FROM ${GIVEN('', '')}
    WHERE jobs.id = v.id AND (${RUNS_HERE} OR ($4::boolean AND jobs.state = 'queued'
      AND jobs.attempts = v.attempt - 1 AND jobs.node IS NULL))
    RETURNING jobs.id::text AS id`,
)
