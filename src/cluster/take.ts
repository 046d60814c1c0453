/** Begins attempts of jobs that wait, and says when there is something to begin. Nodes skip what another is taking. */
import type { JobError } from '../jobs/job.ts'
import type { OpenAttempt } from '../jobs/job-store.ts'
import type { OwnAttempts } from './own-attempts.ts'
import { type Run, statement } from './statement.ts'
import { NOW, type StoreClock } from './store-clock.ts'

/** Scheduled jobs that one `take` may queue because they are due. */
const MAX_PROMOTED = 1_000
/** Jobs of which this process knows nothing, such as those of another node, are looked for so often. */
const POLL_MS = 10_000

const IS_ALIVE = 'EXISTS (SELECT 1 FROM nodes WHERE id = $4)'

/** Jobs that are due and not taken are queued by the way, so that they are not sorted again by each `take`. */
const TAKE = statement(
  'take',
  `WITH due AS MATERIALIZED (SELECT seq, priority, octet_length(payload) AS size, expires_at FROM jobs
      WHERE service = $1 AND state = 'scheduled' AND not_before <= ${NOW} AND ${IS_ALIVE}
      ORDER BY not_before LIMIT ${MAX_PROMOTED} FOR UPDATE SKIP LOCKED),
    queued AS MATERIALIZED (SELECT seq, priority, octet_length(payload) AS size FROM jobs
      WHERE service = $1 AND state = 'queued' AND (expires_at IS NULL OR expires_at > ${NOW}) AND ${IS_ALIVE}
      ORDER BY priority DESC, seq LIMIT $2 FOR UPDATE SKIP LOCKED),
    first AS MATERIALIZED (SELECT * FROM (SELECT seq, priority, size FROM queued UNION ALL
        SELECT seq, priority, size FROM due WHERE expires_at IS NULL OR expires_at > ${NOW}) both_kinds
      ORDER BY priority DESC, seq LIMIT $2),
    chosen AS MATERIALIZED (SELECT seq FROM (SELECT seq, sum(size) OVER (ORDER BY priority DESC, seq
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS size_before FROM first) sized
      WHERE coalesce(size_before, 0) < $3),
    promoted AS (UPDATE jobs SET state = 'queued'
      WHERE seq = ANY(ARRAY(SELECT seq FROM due EXCEPT SELECT seq FROM chosen)))
    UPDATE jobs SET state = 'running', attempts = attempts + 1, node = $4,
      node_name = (SELECT name FROM nodes WHERE id = $4), begun_at = ${NOW},
      started_at = coalesce(started_at, ${NOW}), cancel = false
    WHERE seq = ANY(ARRAY(SELECT seq FROM chosen))
    RETURNING seq, id::text AS id, method, payload, priority, attempts AS number, max_attempts AS "maxAttempts",
      expires_at AS "expiresAt", traceparent, history[cardinality(history)] AS last`,
)

const NEXT_DUE = statement(
  'nextDue',
  `SELECT ${NOW} AS now, EXISTS (SELECT 1 FROM jobs WHERE service = $1 AND state = 'queued') AS "isQueued",
    (SELECT min(not_before) FROM jobs WHERE service = $1 AND state = 'scheduled') AS "dueAt"`,
)

type Taken = Omit<OpenAttempt, 'lastError'> & { seq: number; last: string | null }

export class JobTaking {
  readonly #run: Run
  readonly #node: string
  readonly #clock: StoreClock
  readonly #own: OwnAttempts

  constructor(run: Run, node: string, clock: StoreClock, own: OwnAttempts) {
    this.#run = run
    this.#node = node
    this.#clock = clock
    this.#own = own
  }

  /** The last of the payloads may exceed `bytes`. */
  async take(service: string, limit: number, bytes: number): Promise<OpenAttempt[]> {
    const { rows } = await this.#run<Taken>(TAKE, [service, limit, bytes, this.#node])
    // RETURNING has no order.
    rows.sort((a, b) => b.priority - a.priority || a.seq - b.seq)
    return rows.map(({ seq: _seq, last, expiresAt, ...taken }) => {
      this.#own.began(taken.id, taken.number)
      return {
        ...taken,
        expiresAt: expiresAt === null ? null : this.#clock.fromStore(expiresAt),
        lastError: last === null ? null : (JSON.parse(last) as { error: JobError }).error,
      }
    })
  }

  /** Other nodes add jobs without telling: with none here, it is worth to ask again after a while. */
  async nextDueAt(service: string): Promise<number> {
    const { rows } = await this.#run<{ now: number; isQueued: boolean; dueAt: number | null }>(NEXT_DUE, [service])
    const { now, isQueued, dueAt } = rows[0] as { now: number; isQueued: boolean; dueAt: number | null }
    if (isQueued || (dueAt !== null && dueAt <= now)) return Date.now()
    // By the clock of the database it is not due: a clock that is ahead must not ask at once, again and again.
    return dueAt === null ? Date.now() + POLL_MS : Math.max(this.#clock.fromStore(dueAt), Date.now() + 1)
  }
}
