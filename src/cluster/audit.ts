/** The table of the audit: adding and listing rows. What is forgotten, and when, is in `retention.ts`. */
import type { AuditFilter, AuditPage, AuditRow } from '../contract/audit.ts'
import { type Run, statement } from './statement.ts'

const COLUMNS = `at, token, via, address, action, service, target, outcome, code, request_id AS "requestId"`

const ADD = statement(
  'addAudit',
  `INSERT INTO audit (at, token, via, address, action, service, target, outcome, code, request_id)
    SELECT at, token, via, address, action, service, target, outcome, code, request_id
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::text[]) WITH ORDINALITY
      AS v (at, token, via, address, action, service, target, outcome, code, request_id, ord) ORDER BY ord`,
)

const PAGE = (name: string, where: string) =>
  statement(name, `SELECT seq, ${COLUMNS} FROM audit WHERE seq < $1${where} ORDER BY seq DESC LIMIT $2`)
const ALL = PAGE('audits', '')
const OF_SERVICE = PAGE('auditsOfService', ' AND service = $3')
const OF_TOKEN = PAGE('auditsOfToken', ' AND token = $3')
const OF_BOTH = PAGE('auditsOfBoth', ' AND service = $3 AND token = $4')

export class AuditTable {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  async add(rows: AuditRow[]): Promise<void> {
    const column = <Name extends keyof AuditRow>(name: Name) => rows.map((row) => row[name])
    await this.#run(ADD, [
      column('at'),
      column('token'),
      column('via'),
      column('address'),
      column('action'),
      column('service'),
      column('target'),
      column('outcome'),
      column('code'),
      column('requestId'),
    ])
  }

  /** The newest first. Each filter has an index, so a page costs what it returns. */
  async page({ service, token, limit, cursor }: AuditFilter): Promise<AuditPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    const asked =
      service === undefined ? (token === undefined ? ALL : OF_TOKEN) : token === undefined ? OF_SERVICE : OF_BOTH
    const given = [before, limit + 1, ...[service, token].filter((each) => each !== undefined)]
    const { rows } = await this.#run<AuditRow & { seq: number }>(asked, given)
    const shown = rows.slice(0, limit)
    const last = rows.length > limit ? shown.at(-1) : undefined
    return {
      items: shown.map(({ seq: _seq, ...row }) => row),
      nextCursor: last === undefined ? null : String(last.seq),
    }
  }
}
