/** Who sends a request, as HTTP shows it. */
import { type Static, Type } from '@sinclair/typebox'
import { Nullable } from './nullable.ts'

export const Me = Type.Object(
  {
    token: Nullable(Type.String(), 'The id of the token; null if the server asks for none'),
    via: Type.String({ enum: ['bearer', 'session', 'open'], description: 'open: the server asks for no token' }),
    scopes: Type.Array(Type.String(), { examples: [['read', 'enqueue:markdown']] }),
    expiresAt: Nullable(Type.String({ format: 'date-time' }), 'When the token, or the session, ends'),
  },
  { $id: 'Me', title: 'Me' },
)

export type Me = Static<typeof Me>
