/** Ends jobs that wait: cancelled, or expired; or runs one before its time. Also the jobs of a service that have not ended. */
import { CANCELLED, EXPIRED, type Job } from '../jobs/job.ts'
import { toJob } from '../jobs/stored-job.ts'
import type { WaitingJob } from '../jobs/job-store.ts'
import { COLUMNS, END_WAITING, IN_SHORT, isId, readJob, type Row } from './job-row.ts'
import type { JobKinds } from './job-kinds.ts'
import { type Run, statement } from './statement.ts'
import { NOW } from './store-clock.ts'

/** Jobs that expire in one transaction. */
const EXPIRED_PER_TRANSACTION = 500

const CANCEL = statement(
  'cancel',
  `${END_WAITING('cancelled', '$2')} WHERE id = $1 AND state IN ('queued', 'scheduled') RETURNING ${COLUMNS}`,
)
const RUN_NOW = statement(
  'runNow',
  `UPDATE jobs SET state = 'queued', not_before = least(not_before, ${NOW}) WHERE id = $1 AND state = 'scheduled'
    RETURNING ${COLUMNS}`,
)
const CANCEL_SOME = statement(
  'cancelSome',
  `${END_WAITING('cancelled', '$2')} WHERE seq = ANY(ARRAY(SELECT seq FROM jobs
    WHERE id = ANY($1::uuid[]) AND state IN ('queued', 'scheduled') ORDER BY seq FOR UPDATE)) RETURNING id::text AS id`,
)
const CANCEL_WAITING = statement(
  'cancelWaiting',
  `${END_WAITING('cancelled', '$3')} WHERE seq = ANY(ARRAY(SELECT seq FROM (
      SELECT * FROM (SELECT seq FROM jobs WHERE service = $1 AND state = 'scheduled'
        ORDER BY not_before LIMIT $2 FOR UPDATE) scheduled
      UNION ALL SELECT * FROM (SELECT seq FROM jobs WHERE service = $1 AND state = 'queued'
        ORDER BY priority DESC, seq LIMIT $2 FOR UPDATE) queued) both_states LIMIT $2)) RETURNING ${IN_SHORT}`,
)
const EXPIRE = statement(
  'expire',
  `${END_WAITING('expired', '$1')} WHERE seq = ANY(ARRAY(SELECT seq FROM jobs
    WHERE expires_at <= ${NOW} AND expires_at IS NOT NULL AND state IN ('queued', 'scheduled')
    ORDER BY expires_at LIMIT ${EXPIRED_PER_TRANSACTION} FOR UPDATE SKIP LOCKED)) RETURNING ${IN_SHORT}`,
)
const UNFINISHED = statement(
  'unfinished',
  `SELECT id::text AS id FROM jobs WHERE service = $1 AND method = $2 AND state IN ('scheduled', 'queued', 'running')
    ORDER BY state, seq LIMIT $3`,
)
const COUNT_UNFINISHED = statement(
  'countUnfinished',
  `SELECT count(*) AS count FROM jobs WHERE service = $1 AND method = $2 AND state IN ('scheduled', 'queued', 'running')`,
)

export class JobsWaiting {
  readonly #run: Run
  readonly #kinds: JobKinds

  constructor(run: Run, kinds: JobKinds) {
    this.#run = run
    this.#kinds = kinds
  }

  async cancel(id: string): Promise<Job | undefined> {
    if (!isId(id)) return undefined
    const { rows } = await this.#run<Row>(CANCEL, [id, JSON.stringify(CANCELLED)])
    return rows[0] === undefined ? await readJob(this.#run, id) : toJob(rows[0])
  }

  async runNow(id: string): Promise<Job | undefined> {
    if (!isId(id)) return undefined
    const { rows } = await this.#run<Row>(RUN_NOW, [id])
    return rows[0] === undefined ? await readJob(this.#run, id) : toJob(rows[0])
  }

  async cancelSome(ids: string[]): Promise<string[]> {
    const { rows } = await this.#run<{ id: string }>(CANCEL_SOME, [ids.filter(isId), JSON.stringify(CANCELLED)])
    return rows.map(({ id }) => id)
  }

  async cancelWaiting(service: string, limit: number): Promise<WaitingJob[]> {
    return (await this.#run<WaitingJob>(CANCEL_WAITING, [service, limit, JSON.stringify(CANCELLED)])).rows
  }

  async expire(): Promise<WaitingJob[]> {
    return (await this.#run<WaitingJob>(EXPIRE, [JSON.stringify(EXPIRED)])).rows
  }

  async unfinished(service: string, limit: number): Promise<string[]> {
    const ids: string[] = []
    for await (const { method } of this.#kinds.of(service)) {
      const { rows } = await this.#run<{ id: string }>(UNFINISHED, [service, method, limit - ids.length])
      ids.push(...rows.map(({ id }) => id))
      if (ids.length === limit) break
    }
    return ids
  }

  async countUnfinished(service: string): Promise<number> {
    let sum = 0
    for await (const { method } of this.#kinds.of(service))
      sum += (await this.#run<{ count: number }>(COUNT_UNFINISHED, [service, method])).rows[0]?.count ?? 0
    return sum
  }
}
