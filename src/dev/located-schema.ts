/** A JSON Schema within its document: references are followed, and an intersection of objects is read as one object. */
import type { JsonSchema } from '../contract/description.ts'

/** References to references. */
const REFERENCES_AT_MOST = 32

/** A schema, and the document that its references point into. */
export interface Located {
  root: JsonSchema
  schema: JsonSchema
}

/** `#/$defs/x` and `#`, within its document. */
export function follow({ root, schema }: Located): Located {
  let found = schema
  for (let steps = 0; steps < REFERENCES_AT_MOST && typeof found.$ref === 'string'; steps += 1) {
    const [, ...keys] = found.$ref.split('/')
    const target = keys.reduce<unknown>(
      (inner, key) => (isSchema(inner) ? inner[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined),
      root,
    )
    if (!isSchema(target)) break
    found = target
  }
  return { root, schema: withAllMembers(root, found) }
}

/** An intersection of objects as one object. Where several have a member, the last one counts. */
function withAllMembers(root: JsonSchema, schema: JsonSchema): JsonSchema {
  const { allOf, ...own } = schema
  if (!Array.isArray(allOf)) return schema
  const parts = [...(allOf as JsonSchema[]), own].map((part) => follow({ root, schema: part }).schema)
  if (!parts.every((part) => part === own || isSchema(part.properties))) return schema
  const properties = Object.assign({}, ...parts.map(membersOf)) as JsonSchema
  const required = parts.flatMap((part) => [...requiredOf(part)])
  return { ...(Object.assign({}, ...parts) as JsonSchema), properties, required }
}

export function membersOf({ properties }: JsonSchema): Record<string, JsonSchema> {
  return isSchema(properties) ? (properties as Record<string, JsonSchema>) : {}
}

export function requiredOf({ required }: JsonSchema): Set<string> {
  return new Set(Array.isArray(required) ? (required as string[]) : [])
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
