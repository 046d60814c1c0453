/**
 * What has changed between two JSON Schemas, and whether the new one accepts more values or fewer. Made for the schemas that
 * zod writes. Words that accept and refuse nothing, such as `description`, do not count.
 */
import { isDeepStrictEqual } from 'node:util'
import type { JsonSchema } from '../contract/description.ts'
import { follow, isSchema, type Located, membersOf, requiredOf } from './located-schema.ts'

/**
 * `wider`: more values are accepted. `narrower`: fewer. `other`: neither is certain. A member that is not required may
 * come (`none`) or go (`outputBreaks`: who reads it misses it), and a required one may come (`inputBreaks`: who sends the
 * object lacks it).
 */
export type Effect = 'wider' | 'narrower' | 'other' | 'none' | 'inputBreaks' | 'outputBreaks'

export interface SchemaChange {
  /** Such as `+ upTo?: integer`, `− factors`, or `below: integer → number`. */
  text: string
  effect: Effect
  /** A value was added to an enumeration, or removed from it. */
  isOfValue?: true
}

/** Words with a number: a larger one restricts more, or less. */
const LOWER_LIMITS = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties']
const UPPER_LIMITS = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties']
/** Other words that restrict a value. */
const RESTRICTIONS = ['pattern', 'format', 'multipleOf', 'uniqueItems', 'propertyNames', 'not', 'contentEncoding']

/**
 * @param before @param after `undefined`: any JSON is accepted
 * @param documents what the references of the schemas point into; default: each into itself
 */
export function schemaChanges(
  before: JsonSchema = {},
  after: JsonSchema = {},
  documents: { before: JsonSchema; after: JsonSchema } = { before, after },
): SchemaChange[] {
  const from = { root: documents.before, schema: before }
  const to = { root: documents.after, schema: after }
  return new SchemaDiff().compare(from, to, '')
}

class SchemaDiff {
  /** Pairs of references that were compared: a schema may refer to itself. */
  readonly #seen = new Set(['# #'])

  compare(unresolvedFrom: Located, unresolvedTo: Located, path: string): SchemaChange[] {
    const [from, to] = [follow(unresolvedFrom), follow(unresolvedTo)]
    const [fromRef, toRef] = [unresolvedFrom.schema.$ref, unresolvedTo.schema.$ref]
    if (fromRef !== undefined && toRef !== undefined) {
      const pair = `${fromRef as string} ${toRef as string}`
      if (this.#seen.has(pair)) return []
      this.#seen.add(pair)
    }
    // Equal text may refer to definitions that differ.
    const isSame = isDeepStrictEqual(shapeOf(from.schema), shapeOf(to.schema))
    if (isSame && !hasReference(from.schema)) return []
    const [fromAny, toAny] = [acceptsAny(from.schema), acceptsAny(to.schema)]
    if (fromAny || toAny) return [whole(from, to, path, toAny ? 'wider' : 'narrower')]
    const [fromValues, toValues] = [valuesOf(from.schema), valuesOf(to.schema)]
    if (fromValues !== undefined && toValues !== undefined) return valueChanges(fromValues, toValues, path)
    const [fromTypes, toTypes] = [typesOf(from), typesOf(to)]
    if (fromTypes === undefined || toTypes === undefined) return this.#unions(from, to, path)
    const [lost, gained] = [minus(fromTypes, toTypes), minus(toTypes, fromTypes)]
    if (lost.length > 0 || gained.length > 0) return [whole(from, to, path, effectOf(lost, gained))]
    if (fromValues ?? toValues) return [whole(from, to, path, toValues === undefined ? 'wider' : 'narrower')]
    return [
      ...limitChanges(from.schema, to.schema, path),
      ...this.#members(from, to, path),
      ...this.#items(from, to, path),
    ]
  }

  #unions(from: Located, to: Located, path: string): SchemaChange[] {
    const [before, after] = [alternativesOf(from), alternativesOf(to)]
    const partnerOf = (one: Located, others: Located[]) =>
      others.find((other) => isDeepStrictEqual(shapeOf(one.schema), shapeOf(other.schema)))
    const lost = before.filter((one) => partnerOf(one, after) === undefined)
    const gained = after.filter((one) => partnerOf(one, before) === undefined)
    const [onlyLost, onlyGained] = [lost[0], gained[0]]
    if (lost.length === 1 && gained.length === 1 && onlyLost && onlyGained && before.length + after.length > 2) {
      return this.compare(onlyLost, onlyGained, path)
    }
    if (lost.length > 0 || gained.length > 0) return [whole(from, to, path, effectOf(lost, gained))]
    // A schema that is no union is its own alternative.
    const alternatives = before.filter(({ schema }) => schema !== from.schema)
    return alternatives.flatMap((one) => this.compare(one, partnerOf(one, after) ?? one, path))
  }

  #members(from: Located, to: Located, path: string): SchemaChange[] {
    const [before, after] = [membersOf(from.schema), membersOf(to.schema)]
    const [needed, needs] = [requiredOf(from.schema), requiredOf(to.schema)]
    const at = (name: string) => (path === '' ? name : `${path}.${name}`)
    const changes: SchemaChange[] = []
    for (const [name, schema] of Object.entries(after)) {
      const old = Object.hasOwn(before, name) ? before[name] : undefined
      const isRequired = needs.has(name)
      if (old === undefined) {
        const text = `+ ${at(name)}${isRequired ? '' : '?'}: ${nameOf(follow({ root: to.root, schema }).schema)}`
        changes.push({ text, effect: isRequired ? 'inputBreaks' : 'none' })
        continue
      }
      if (needed.has(name) !== isRequired) {
        const text = `${at(name)} is ${isRequired ? 'required' : 'optional'}`
        changes.push({ text, effect: isRequired ? 'narrower' : 'wider' })
      }
      changes.push(...this.compare({ root: from.root, schema: old }, { root: to.root, schema }, at(name)))
    }
    for (const name of Object.keys(before).filter((name) => !Object.hasOwn(after, name))) {
      // An input that does not refuse unknown members still takes it.
      changes.push({ text: `− ${at(name)}`, effect: refusesOthers(to.schema) ? 'other' : 'outputBreaks' })
    }
    return [...changes, ...this.#otherMembers(from, to, path)]
  }

  /** `additionalProperties`: the values of a record, or whether unknown members are refused. */
  #otherMembers(from: Located, to: Located, path: string): SchemaChange[] {
    const [before, after] = [from.schema.additionalProperties, to.schema.additionalProperties]
    if (isSchema(before) && isSchema(after)) {
      return this.compare({ ...from, schema: before }, { ...to, schema: after }, `${path}{}`)
    }
    const refuses = refusesOthers(to.schema)
    if (refusesOthers(from.schema) === refuses) return []
    // The output of an object never has unknown members, whether its schema says so or not.
    return [
      {
        text: `${prefix(path)}${refuses ? 'refuses' : 'allows'} unknown members`,
        effect: refuses ? 'inputBreaks' : 'none',
      },
    ]
  }

  #items(from: Located, to: Located, path: string): SchemaChange[] {
    if (!isDeepStrictEqual(from.schema.prefixItems, to.schema.prefixItems)) return [whole(from, to, path, 'other')]
    const [before, after] = [from.schema.items, to.schema.items]
    if (!isSchema(before) || !isSchema(after)) return []
    return this.compare({ ...from, schema: before }, { ...to, schema: after }, `${path}[]`)
  }
}

function whole(from: Located, to: Located, path: string, effect: Effect): SchemaChange {
  return { text: `${path === '' ? '' : `${path}: `}${nameOf(from.schema)} → ${nameOf(to.schema)}`, effect }
}

function effectOf(lost: unknown[], gained: unknown[]): Effect {
  if (lost.length > 0 && gained.length > 0) return 'other'
  return lost.length === 0 ? 'wider' : 'narrower'
}

function prefix(path: string): string {
  return path === '' ? '' : `${path} `
}

function valueChanges(before: unknown[], after: unknown[], path: string): SchemaChange[] {
  const has = (values: unknown[], value: unknown) => values.some((one) => isDeepStrictEqual(one, value))
  const at = prefix(path)
  return [
    ...after
      .filter((value) => !has(before, value))
      .map((value): SchemaChange => ({ text: `${at}+ ${JSON.stringify(value)}`, effect: 'wider', isOfValue: true })),
    ...before
      .filter((value) => !has(after, value))
      .map((value): SchemaChange => ({ text: `${at}− ${JSON.stringify(value)}`, effect: 'narrower', isOfValue: true })),
  ]
}

function limitChanges(before: JsonSchema, after: JsonSchema, path: string): SchemaChange[] {
  const changes: SchemaChange[] = []
  const at = prefix(path)
  for (const word of [...LOWER_LIMITS, ...UPPER_LIMITS, ...RESTRICTIONS]) {
    const [from, to] = [before[word], after[word]]
    if (isDeepStrictEqual(from, to) || (isNoLimit(from) && isNoLimit(to))) continue
    const text = `${at}${word} ${shown(from)} → ${shown(to)}`
    if (from === undefined || to === undefined) changes.push({ text, effect: to === undefined ? 'wider' : 'narrower' })
    else if (typeof from !== 'number' || typeof to !== 'number') changes.push({ text, effect: 'other' })
    else if (LOWER_LIMITS.includes(word)) changes.push({ text, effect: to > from ? 'narrower' : 'wider' })
    else if (UPPER_LIMITS.includes(word)) changes.push({ text, effect: to < from ? 'narrower' : 'wider' })
    else changes.push({ text, effect: 'other' })
  }
  return changes
}

/** The limits that zod writes for every integer. */
function isNoLimit(limit: unknown): boolean {
  return limit === undefined || Math.abs(Number(limit)) === Number.MAX_SAFE_INTEGER
}

function hasReference(schema: JsonSchema): boolean {
  return JSON.stringify(schema).includes('"$ref"')
}

const ANNOTATIONS = ['description', 'title', 'examples', 'default', 'deprecated', '$schema', '$id', '$defs', 'id']

/** The schema without words that accept and refuse nothing. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf)
  if (!isSchema(value)) return value
  const entries = Object.entries(value).filter(([key]) => !ANNOTATIONS.includes(key))
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, key === 'properties' && isSchema(inner) ? shapesOf(inner) : shapeOf(inner)]),
  )
}

/** Members may have any name, also that of an annotation. */
function shapesOf(members: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(members).map(([name, schema]) => [name, shapeOf(schema)]))
}

function acceptsAny(schema: JsonSchema): boolean {
  return Object.keys(shapeOf(schema) as object).length === 0
}

function valuesOf({ enum: values, const: value }: JsonSchema): unknown[] | undefined {
  if (Array.isArray(values)) return values
  return value === undefined ? undefined : [value]
}

/** The set of its types, such as `integer` or `null`; `undefined`: it is a union of more than types. */
function typesOf({ schema }: Located): string[] | undefined {
  const { type } = schema
  // A number may be an integer.
  const all = (types: string[]) => (types.includes('number') ? [...new Set([...types, 'integer'])] : types)
  if (typeof type === 'string') return all([type])
  if (Array.isArray(type)) return all(type as string[])
  const values = valuesOf(schema)
  if (values === undefined) return undefined
  return [...new Set(values.map((value) => (value === null ? 'null' : typeof value)))]
}

function alternativesOf({ root, schema }: Located): Located[] {
  const alternatives = schema.anyOf ?? schema.oneOf
  return Array.isArray(alternatives)
    ? alternatives.map((one) => ({ root, schema: one as JsonSchema }))
    : [{ root, schema }]
}

function refusesOthers({ additionalProperties }: JsonSchema): boolean {
  return additionalProperties === false
}

function minus(one: string[], other: string[]): string[] {
  return one.filter((value) => !other.includes(value))
}

/** How a person would write the type. */
function nameOf(schema: JsonSchema): string {
  const values = valuesOf(schema)
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ')
  const { type, anyOf, oneOf, allOf, items } = schema
  const alternatives = anyOf ?? oneOf
  if (Array.isArray(alternatives)) return alternatives.map((one) => nameOf(one as JsonSchema)).join(' | ')
  if (Array.isArray(allOf)) return allOf.map((one) => nameOf(one as JsonSchema)).join(' & ')
  if (type === 'array') return isSchema(items) ? `${nameOf(items)}[]` : 'array'
  if (typeof type === 'string') return type
  if (Array.isArray(type)) return type.join(' | ')
  return typeof schema.$ref === 'string' ? (schema.$ref.split('/').at(-1) ?? 'object') : 'any'
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value)
}
