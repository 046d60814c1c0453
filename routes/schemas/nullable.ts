import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/** The schema with `null` allowed: its `type` becomes a list of two types. */
export function Nullable<Schema extends TSchema>(schema: Schema, description?: string): TUnsafe<Static<Schema> | null> {
  return Type.Unsafe({ ...schema, type: [schema.type, 'null'], ...(description !== undefined && { description }) })
}
