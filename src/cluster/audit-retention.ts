/**
 * Rows of the audit are forgotten after a time, and where there are too many. A flood of refused requests pushes out no
 * change: refusals go first.
 */
import { AUDIT_KEPT_MS, MAX_AUDIT_ROWS } from '../contract/audit.ts'
import { type Run, statement } from './statement.ts'

/** Rows that one transaction forgets. */
const STEP = 500
/** The number of rows may exceed its limit by this part of it before rows are counted again. */
const SLACK = 0.01

const FORGET = (name: string, which: string) =>
  statement(name, `DELETE FROM audit WHERE seq = ANY(ARRAY(SELECT seq FROM audit ${which} FOR UPDATE SKIP LOCKED))`)
const FORGET_OLD = FORGET('forgetOldAudit', 'WHERE at <= $1 ORDER BY at LIMIT $2')
const FORGET_REFUSED = FORGET('forgetRefusedAudit', "WHERE outcome = 'refused' ORDER BY seq LIMIT $1")
const FORGET_ANY = FORGET('forgetAnyAudit', 'ORDER BY seq LIMIT $1')
const NEWEST = statement('newestAudit', 'SELECT max(seq) AS newest FROM audit')
const COUNT = statement('countAudit', 'SELECT count(*) AS count FROM audit')

export class AuditRetention {
  readonly #run: Run
  readonly #keptMs: number
  readonly #maxRows: number
  /** Rows are counted again when the newest row has this number. */
  #countAgainAt = 0

  constructor(run: Run, keptMs = AUDIT_KEPT_MS, maxRows = MAX_AUDIT_ROWS) {
    this.#run = run
    this.#keptMs = keptMs
    this.#maxRows = maxRows
  }

  /** Each step of the generator is one transaction. */
  async *steps(): AsyncGenerator<void> {
    const recordedBy = Date.now() - this.#keptMs
    while ((await this.#run(FORGET_OLD, [recordedBy, STEP])).count === STEP) yield
    let excess = await this.#excess()
    for (const which of [FORGET_REFUSED, FORGET_ANY]) {
      while (excess > 0) {
        const { count } = await this.#run(which, [Math.min(excess, STEP)])
        yield
        if (count === 0) break
        excess -= count
      }
    }
  }

  /** How many rows are too many. To count a million rows takes a while, so they are counted rarely. */
  async #excess(): Promise<number> {
    const newest = (await this.#run<{ newest: number | null }>(NEWEST, [])).rows[0]?.newest ?? 0
    if (newest === 0 || newest < this.#countAgainAt) return 0
    const count = (await this.#run<{ count: number }>(COUNT, [])).rows[0]?.count ?? 0
    this.#countAgainAt = newest + Math.max(this.#maxRows - count, this.#maxRows * SLACK, 1)
    return count - this.#maxRows
  }
}
