/** A node of a cluster as HTTP shows it. */
import { type Static, Type } from '@sinclair/typebox'
import { Nullable } from './nullable.ts'
import { moduleHash, ServiceStatus } from './service.ts'

export const NodeView = Type.Object({
  id: Type.String({ description: 'Another one after each start' }),
  name: Type.String(),
  url: Nullable(Type.String({ description: 'Where other nodes reach it; null: the server is alone' })),
  version: Type.String(),
  startedAt: Type.String({ format: 'date-time' }),
  seenAt: Type.String({ format: 'date-time', description: 'When it last showed that it is alive' }),
  labels: Type.Record(Type.String(), Type.String()),
  self: Type.Boolean({ description: 'Is it the node that answers?' }),
  draining: Type.Boolean({ description: 'True: it takes no new work' }),
  services: Type.Array(
    Type.Object({
      name: Type.String(),
      state: ServiceStatus.properties.state,
      threads: Type.Integer({ description: 'Threads that run' }),
      moduleHash,
      differs: Type.Boolean({ description: 'True if another node has the service with other code' }),
    }),
  ),
})
export type NodeView = Static<typeof NodeView>
