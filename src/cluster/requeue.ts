/** Queues jobs again that have ended and not succeeded, and deletes jobs. */
import { ThreadplaneError } from '../contract/errors.ts'
import { type Job, jobNotFound, timestamp } from '../jobs/job.ts'
import { toJob } from '../jobs/stored-job.ts'
import { COLUMNS, HISTORY, isId, readJob, type Row } from './job-row.ts'
import { type Run, statement } from './statement.ts'
import { NOW } from './store-clock.ts'

/** History and attempt numbers continue; the job gets as many attempts again as it had at first. */
const REQUEUE = `UPDATE jobs SET state = 'queued', max_attempts = attempts + max_attempts - attempts_before,
  attempts_before = attempts, history = CASE WHEN begun_at IS NULL THEN history ELSE ${HISTORY('finished_at', 'error')} END,
  begun_at = NULL, finished_at = NULL, error = NULL, error_key = NULL, not_before = NULL, expires_at = NULL, node = NULL,
  cancel = false`
const HAS_ENDED = `finished_at IS NOT NULL AND state <> 'succeeded'`
const HAS_NO_KEY = `NOT EXISTS (SELECT 1 FROM idempotency_keys known WHERE known.job_id = jobs.id AND known.expires_at > ${NOW})`

const REQUEUE_ONE = statement('requeue', `${REQUEUE} WHERE id = $1 AND ${HAS_ENDED} RETURNING ${COLUMNS}`)
const REQUEUE_ALL = statement(
  'requeueAll',
  `${REQUEUE} WHERE seq = ANY(ARRAY(SELECT seq FROM jobs WHERE id = ANY($1::uuid[]) AND ${HAS_ENDED}
    ORDER BY seq FOR UPDATE)) RETURNING id::text AS id`,
)
const REQUEUE_FAILED = statement(
  'requeueFailed',
  `${REQUEUE} WHERE seq = ANY(ARRAY(SELECT seq FROM jobs WHERE service = $1 AND state = 'failed' AND finished_at <= $2
    ORDER BY method, error_key, finished_at, seq LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING seq`,
)
const KEY_OF_JOB = statement(
  'keyOfJob',
  `SELECT expires_at AS "expiresAt" FROM idempotency_keys WHERE job_id = $1 AND expires_at > ${NOW}`,
)
const REMOVE = statement('remove', `DELETE FROM jobs WHERE id = $1 AND ${HAS_NO_KEY}`)
const REMOVE_ALL = statement(
  'removeAll',
  `DELETE FROM jobs WHERE seq = ANY(ARRAY(SELECT seq FROM jobs WHERE id = ANY($1::uuid[]) AND finished_at IS NOT NULL
    AND ${HAS_NO_KEY} ORDER BY seq FOR UPDATE))`,
)

export class EndedJobs {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  /** @throws JOB_NOT_FOUND */
  async requeue(id: string): Promise<Job> {
    if (!isId(id)) throw jobNotFound(id)
    const { rows } = await this.#run<Row>(REQUEUE_ONE, [id])
    const job = rows[0] === undefined ? await readJob(this.#run, id) : toJob(rows[0])
    if (job === undefined) throw jobNotFound(id)
    return job
  }

  async requeueAll(ids: string[]): Promise<string[]> {
    const { rows } = await this.#run<{ id: string }>(REQUEUE_ALL, [ids.filter(isId)])
    return rows.map(({ id }) => id)
  }

  async requeueFailed(service: string, limit: number, failedBy: number): Promise<number> {
    return (await this.#run(REQUEUE_FAILED, [service, failedBy, limit])).count
  }

  /** @throws CONFLICT until its idempotency key has expired */
  async remove(id: string): Promise<void> {
    if (!isId(id)) return
    if ((await this.#run(REMOVE, [id])).count === 1) return
    const { rows } = await this.#run<{ expiresAt: number }>(KEY_OF_JOB, [id])
    const [key] = rows
    if (key === undefined) return
    const detail = `the job is kept until its idempotency key expires, at ${timestamp(key.expiresAt)}`
    throw new ThreadplaneError('CONFLICT', detail, { jobId: id })
  }

  async removeAll(ids: string[]): Promise<number> {
    return (await this.#run(REMOVE_ALL, [ids.filter(isId)])).count
  }
}
