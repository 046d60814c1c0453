/**
 * The attempts that this process has begun and whose end it has not written. If the answer to a statement that begins
 * attempts is lost, the table may say that some run here, and nobody runs them: after an outage these are released.
 */
import { statement, type Run } from './statement.ts'

const RUNNING_HERE = statement(
  'runningHere',
  `SELECT id::text AS id, attempts FROM jobs WHERE node = $1 AND state = 'running'`,
)
const RELEASE_ORPHANS = statement(
  'releaseOrphans',
  `UPDATE jobs SET state = 'queued', attempts = jobs.attempts - 1, begun_at = NULL, node = NULL, cancel = false,
      started_at = CASE WHEN jobs.attempts = 1 THEN NULL ELSE started_at END
    FROM (SELECT * FROM unnest($1::uuid[], $2::int[]) AS v (id, attempt) ORDER BY id) v
    WHERE jobs.id = v.id AND jobs.attempts = v.attempt AND state = 'running' AND node = $3`,
)

export class OwnAttempts {
  readonly #node: string
  readonly #attempts = new Map<string, number>()

  constructor(node: string) {
    this.#node = node
  }

  began(id: string, attempt: number): void {
    this.#attempts.set(id, attempt)
  }

  /** The end of an attempt is written, or can never be. */
  ended(id: string, attempt: number): void {
    if (this.#attempts.get(id) === attempt) this.#attempts.delete(id)
  }

  /** Only while no statement that begins attempts is under way. Answers how many were released. */
  async releaseOrphans(run: Run): Promise<number> {
    const { rows } = await run<{ id: string; attempts: number }>(RUNNING_HERE, [this.#node])
    const orphans = rows.filter(({ id, attempts }) => this.#attempts.get(id) !== attempts)
    if (orphans.length === 0) return 0
    const ids = orphans.map(({ id }) => id)
    const attempts = orphans.map((each) => each.attempts)
    return (await run(RELEASE_ORPHANS, [ids, attempts, this.#node])).count
  }
}
