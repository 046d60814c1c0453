import { type TSchema, type TUnsafe, Type, type Static } from '@sinclair/typebox'

/** A schema or `null`. */
export function Nullable<Schema extends TSchema>(schema: Schema, description?: string): TUnsafe<Static<Schema> | null> {
  return Type.Unsafe({ anyOf: [schema, { type: 'null' }], ...(description !== undefined && { description }) })
}
