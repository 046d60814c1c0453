/**
 * Reads JSON Schema 2020-12 as zod writes it: follows `$ref`, merges `allOf`. Pure; nothing here knows the page.
 */

/** A schema as an object. The schemas `true` and `false` are `{}` and `{ not: {} }`. */
export type Schema = { readonly [keyword: string]: unknown }

const NOTHING: Schema = { not: {} }
/** A schema that refers only to itself has no end. */
const MAX_REFERENCES = 50

/** The schema without `$ref` and `allOf` at its top. Its parts keep theirs, so recursion ends where nobody looks. */
export function resolve(root: Schema, schema: unknown, depth = 0): Schema {
  if (schema === false) return NOTHING
  if (!isObject(schema) || depth > MAX_REFERENCES) return {}
  const { $ref, allOf, ...own } = schema
  if (typeof $ref === 'string') return merge(resolve(root, target(root, $ref), depth + 1), own)
  if (!Array.isArray(allOf)) return schema
  return allOf.map((part) => resolve(root, part, depth + 1)).reduce(merge, own)
}

/** What a reference within the document names; `undefined`: nothing. */
function target(root: Schema, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined
  const names = reference.slice(1).split('/').slice(1).map(decodePart)
  return names.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), root)
}

/** Both must hold. Of two objects the members are joined; a union is merged in each of its branches. */
function merge(left: Schema, right: Schema): Schema {
  for (const [union, other] of [
    [left, right],
    [right, left],
  ] as const) {
    for (const key of ['anyOf', 'oneOf'] as const) {
      const branches = union[key]
      if (Array.isArray(branches) && isObject(other.properties)) {
        const { [key]: _branches, ...rest } = union
        return { ...rest, [key]: branches.map((branch) => ({ allOf: [branch, other] })) }
      }
    }
  }
  const properties = { ...asObject(left.properties), ...asObject(right.properties) }
  const required = [...new Set([...asList(left.required), ...asList(right.required)])]
  return {
    ...left,
    ...right,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** A name as a part of a JSON pointer. */
export function pointerPart(name: string | number): string {
  return `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function decodePart(part: string): string {
  return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
}

/** The names in a JSON pointer. */
export function pointerNames(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}
