/** The audit: who changed what, and who was refused. Its rows, and the store that keeps them. */

/** How the token came; `open`: the server asked for none; `none`: it asked for one, and got none that is valid. */
export const AUDIT_WAYS = ['bearer', 'session', 'open', 'none'] as const

/**
 * `refused`: 401, 403 or 429. `failed`: any other problem. `aborted`: the client went away before the end of the answer,
 * so what it asked for may still have been done.
 */
export const AUDIT_OUTCOMES = ['ok', 'refused', 'failed', 'aborted'] as const

/** How long rows are kept, and how many. */
export const AUDIT_KEPT_MS = 30 * 24 * 60 * 60 * 1_000
export const MAX_AUDIT_ROWS = 1_000_000

export interface AuditRow {
  /** Milliseconds since the epoch. */
  at: number
  /** The id of the token. */
  token: string | null
  via: (typeof AUDIT_WAYS)[number]
  address: string
  /** The id of the operation in the OpenAPI document, or method and path of a route that is not in it. */
  action: string
  service: string | null
  /** The job, the schedule or the method that the action was for. */
  target: string | null
  outcome: (typeof AUDIT_OUTCOMES)[number]
  /** Of the problem. */
  code: string | null
  requestId: string
}

export interface AuditFilter {
  service?: string
  token?: string
  limit: number
  /** The `nextCursor` of the previous page. */
  cursor?: string
}

/** The newest row first. */
export interface AuditPage {
  items: AuditRow[]
  /** 1 to 15 decimal digits; `null` on the last page. Still valid when the last row of the page was forgotten. */
  nextCursor: string | null
}

export interface AuditStore {
  /** Stores rows, all in one transaction. */
  audit(rows: AuditRow[]): Promise<void>
  audits(filter: AuditFilter): Promise<AuditPage>
}
