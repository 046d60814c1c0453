/** Rows of the audit, for tests of the stores that keep them. */
import type { AuditRow } from '../src/contract/audit.ts'

export function auditRow(target: string, more: Partial<AuditRow> = {}): AuditRow {
  return {
    at: Date.now(),
    token: 'ci',
    via: 'bearer',
    address: '127.0.0.1',
    action: 'stopService',
    service: 'mail',
    target,
    outcome: 'ok',
    code: null,
    requestId: target,
    ...more,
  }
}
