/** Puts the schemas of one service's methods into the components of the OpenAPI document. */
import { isDeepStrictEqual } from 'node:util'
import type { JsonSchema } from '../contract/description.ts'

const PLACE = '#/components/schemas/'

export class ServiceSchemas {
  readonly #schemas: Record<string, unknown>
  readonly #service: string

  /**
   * @param schemas the components of the document
   * @param service the name of the service, as the names of its components begin
   */
  constructor(schemas: Record<string, unknown>, service: string) {
    this.#schemas = schemas
    this.#service = service
  }

  /** Adds a schema and its `$defs`. Returns a reference to the schema; `{}` without one. */
  add(wantedName: string, schema: JsonSchema | undefined): object {
    if (schema === undefined) return {}
    const name = this.#unusedName(wantedName)
    const { $schema: _dialect, $id: _id, $defs = {}, ...rest } = schema
    const parts = Object.entries($defs as Record<string, JsonSchema>).map(
      ([id, { id: _metaId, ...part }]) => [id, part] as const,
    )
    const shared = this.#sharedNames(parts, name, wantedName.endsWith('Input') ? 'Input' : '')
    const names = shared ?? new Map(parts.map(([id]) => [id, this.#unusedName(`${name}_${componentName(id)}`)]))
    const rewrite = references(name, names)
    this.#schemas[name] = withRefs(rest, rewrite)
    for (const [id, part] of parts) this.#schemas[names.get(id) as string] = withRefs(part, rewrite)
    return { $ref: PLACE + name }
  }

  #unusedName(wanted: string): string {
    let name = wanted
    for (let n = 2; Object.hasOwn(this.#schemas, name); n += 1) name = `${wanted}_${n}`
    // The place is taken until the schema itself is there.
    this.#schemas[name] = {}
    return name
  }

  /**
   * Names such as `GalleryPicture`, which all methods of the service share; `undefined` if one of them is another schema
   * already. What a method takes and what it returns differ, so the names of inputs end in `Input`.
   */
  #sharedNames(parts: (readonly [string, JsonSchema])[], name: string, end: string): Map<string, string> | undefined {
    const names = new Map(parts.map(([id]) => [id, this.#service + componentName(id) + end]))
    const rewrite = references(name, names)
    const isFree = (wanted: string, part: JsonSchema) =>
      !Object.hasOwn(this.#schemas, wanted) || isDeepStrictEqual(this.#schemas[wanted], withRefs(part, rewrite))
    const areFree = parts.every(([id, part]) => isFree(names.get(id) as string, part))
    return areFree && new Set(names.values()).size === names.size ? names : undefined
  }
}

/** The characters that the name of a component may have. */
function componentName(id: string): string {
  return id.replace(/[^A-Za-z0-9._-]/g, '_')
}

/** Makes references of a schema those of the document. */
function references(name: string, definitions: ReadonlyMap<string, string>): (ref: string) => string {
  return (ref) => {
    if (ref === '#') return PLACE + name
    const [, pointer, below = ''] = /^#\/(?:\$defs|definitions)\/([^/]+)(\/.*)?$/.exec(ref) ?? []
    const component = pointer === undefined ? undefined : definitions.get(unescapePointer(pointer))
    return component === undefined ? ref : PLACE + component + below
  }
}

/** A part of a JSON pointer in a URL (RFC 6901, section 6). */
function unescapePointer(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // A percent sign that escapes nothing.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** Keywords of JSON Schema whose values are schemas, or lists of schemas. All others are data, such as `examples`. */
const OF_SCHEMAS = new Set(
  `items prefixItems contains additionalItems unevaluatedItems additionalProperties unevaluatedProperties propertyNames
  allOf anyOf oneOf not if then else`.split(/\s+/),
)
/** Keywords whose values are objects of schemas by name. */
const OF_NAMED_SCHEMAS = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'])

function withRefs(schema: unknown, rewrite: (ref: string) => string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => withRefs(item, rewrite))
  if (typeof schema !== 'object' || schema === null) return schema
  return mapped(withAnyOfTypes(schema), (part, key) => {
    if (key === '$ref' && typeof part === 'string') return rewrite(part)
    if (OF_SCHEMAS.has(key)) return withRefs(part, rewrite)
    return OF_NAMED_SCHEMAS.has(key) ? mapped(part as object, (named) => withRefs(named, rewrite)) : part
  })
}

/** `type: [number, string]`, as zod writes a union, stops some generators (kubb 4.39). */
function withAnyOfTypes(schema: object): object {
  const { type, ...rest } = schema as JsonSchema
  if (!Array.isArray(type) || Object.hasOwn(rest, 'anyOf')) return schema
  return { ...rest, anyOf: type.map((one: unknown) => ({ type: one })) }
}

function mapped(object: object, map: (value: unknown, key: string) => unknown): object {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]))
}
