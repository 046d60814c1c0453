import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/** A schema of one type, or `null`. By a list of types: to serialise an `anyOf`, each of its branches is validated first. */
export function Nullable<Schema extends TSchema>(schema: Schema, description?: string): TUnsafe<Static<Schema> | null> {
  return Type.Unsafe({ ...schema, type: [schema.type, 'null'], ...(description !== undefined && { description }) })
}
