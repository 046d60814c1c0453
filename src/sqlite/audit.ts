/**
 * The table of the audit: its rows are added, listed, and forgotten after a time. They are in the order in which they were
 * recorded. A flood of refused requests pushes out no change: where there are too many rows, refusals go first.
 */
import { AUDIT_KEPT_MS, type AuditFilter, type AuditPage, type AuditRow, MAX_AUDIT_ROWS } from '../contract/audit.ts'
import type { DatabaseFile } from './database-file.ts'

/** Rows that one transaction forgets. */
const STEP = 500
/** The number of rows may exceed its limit by this part of it before rows are counted again. */
const SLACK = 0.01

const COLUMNS = 'at, token, via, address, action, service, target, outcome, code, requestId'

export class AuditTable {
  readonly #file: DatabaseFile
  readonly #keptMs: number
  readonly #maxRows: number
  /** Rows are counted again when the newest row has this number. */
  #countAgainAt = 0

  constructor(file: DatabaseFile, keptMs = AUDIT_KEPT_MS, maxRows = MAX_AUDIT_ROWS) {
    this.#file = file
    this.#keptMs = keptMs
    this.#maxRows = maxRows
  }

  add(rows: AuditRow[]): void {
    for (const row of rows) {
      const { at, token, via, address, action, service, target, outcome, code, requestId } = row
      this.#file.run(
        `INSERT INTO audit (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        at,
        token,
        via,
        address,
        action,
        service,
        target,
        outcome,
        code,
        requestId,
      )
    }
  }

  /** The newest first. Each filter has an index, so a page costs what it returns. */
  page({ service, token, limit, cursor }: AuditFilter): AuditPage {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    const list = (where: string, ...values: string[]) =>
      this.#file.all<AuditRow & { seq: number }>(
        `SELECT seq, ${COLUMNS} FROM audit ${where} seq < ? ORDER BY seq DESC LIMIT ?`,
        ...values,
        before,
        limit + 1,
      )
    const rows =
      service !== undefined && token !== undefined
        ? list('INDEXED BY auditByBoth WHERE service = ? AND token = ? AND', service, token)
        : service !== undefined
          ? list('INDEXED BY auditByService WHERE service = ? AND', service)
          : token !== undefined
            ? list('INDEXED BY auditByToken WHERE token = ? AND', token)
            : list('WHERE')
    const shown = rows.slice(0, limit)
    const last = rows.length > limit ? shown.at(-1) : undefined
    return {
      items: shown.map(({ seq: _seq, ...row }) => row),
      nextCursor: last === undefined ? null : String(last.seq),
    }
  }

  /** Forgets old rows, and those beyond the greatest number. Each step of the generator is one transaction. */
  *steps(): Generator<void> {
    const recordedBy = Date.now() - this.#keptMs
    const old = 'SELECT seq FROM audit INDEXED BY auditByTime WHERE at <= ? ORDER BY at LIMIT ?'
    while (this.#forget(old, recordedBy, STEP) === STEP) yield
    let excess = this.#excess()
    for (const which of ["INDEXED BY auditRefused WHERE outcome = 'refused'", '']) {
      while (excess > 0) {
        const sql = `SELECT seq FROM audit ${which} ORDER BY seq LIMIT ?`
        const forgotten = this.#forget(sql, Math.min(excess, STEP))
        yield
        if (forgotten === 0) break
        excess -= forgotten
      }
    }
  }

  /** How many rows are too many. To count a million rows takes a while, so they are counted rarely. */
  #excess(): number {
    const { newest } = this.#file.get<{ newest: number | null }>('SELECT max(seq) AS newest FROM audit') ?? {}
    if (newest == null || newest < this.#countAgainAt) return 0
    const { rows } = this.#file.get<{ rows: number }>('SELECT count(*) AS rows FROM audit') ?? { rows: 0 }
    this.#countAgainAt = newest + Math.max(this.#maxRows - rows, this.#maxRows * SLACK, 1)
    return rows - this.#maxRows
  }

  /** @param which selects the numbers of rows. Returns how many were forgotten. */
  #forget(which: string, ...values: number[]): number {
    this.#file.begin()
    const { changes } = this.#file.run(`DELETE FROM audit WHERE seq IN (${which})`, ...values)
    this.#file.commit()
    return changes
  }
}
