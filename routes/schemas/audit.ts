/** Rows of the audit as HTTP shows them. */
import { type Static, Type } from '@sinclair/typebox'
import { AUDIT_OUTCOMES, AUDIT_WAYS, type AuditRow } from '../../src/contract/audit.ts'
import { Nullable } from './nullable.ts'

const AuditRowView = Type.Object({
  at: Type.String({ format: 'date-time' }),
  token: Nullable(Type.String(), 'The id of the token'),
  via: Type.Unsafe<AuditRow['via']>({
    type: 'string',
    enum: AUDIT_WAYS,
    description:
      'How the token came. open: the server asked for none. none: it asked for one, and got none that is valid',
  }),
  address: Type.String({ description: 'Of the client, or of the proxy before this server' }),
  action: Type.String({ description: 'The `operationId` of the route in this document' }),
  service: Nullable(Type.String(), 'The service that it was for'),
  target: Nullable(Type.String(), 'The job, the schedule or the method that it was for'),
  outcome: Type.Unsafe<AuditRow['outcome']>({
    type: 'string',
    enum: AUDIT_OUTCOMES,
    description:
      'refused: answered 401, 403 or 429. failed: answered with another problem. aborted: the client went away before the end of the answer, and it may have been done',
  }),
  code: Nullable(Type.String(), 'The code of the problem'),
  requestId: Type.String({ format: 'uuid' }),
})

export const AuditList = Type.Object(
  {
    items: Type.Array(AuditRowView),
    nextCursor: Nullable(Type.String(), 'Pass it as `cursor` to get the next page; null on the last page'),
  },
  { description: 'The rows, newest first' },
)
export type AuditList = Static<typeof AuditList>
