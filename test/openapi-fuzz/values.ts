/** Random values: most that a JSON Schema accepts, and odd ones that hardly any schema accepts. */
import fc, { type Arbitrary } from 'fast-check'

export interface Schema {
  [keyword: string]: unknown
}

/** Values by the name of a parameter or member: where the schema cannot say what exists, or its values cost too much. */
export type Words = Record<string, Arbitrary<unknown>>

const MAX_DEPTH = 4
const anyJson = fc.jsonValue({ maxDepth: 2 })
/** Any character. Not fast-check's own unit: for each string it builds a table of all characters. */
export const unit = fc
  .oneof(
    { weight: 4, arbitrary: fc.integer({ min: 32, max: 126 }) },
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((code) => String.fromCodePoint(code))
const FORMATS: Record<string, Arbitrary<string>> = {
  date: fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10)),
  'date-time': fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  email: fc.emailAddress(),
  ipv4: fc.ipV4(),
  ipv6: fc.ipV6(),
  uri: fc.domain().map((domain) => `https://${domain}/`),
  uuid: fc.uuid(),
}

export class Values {
  readonly #definitions: Record<string, Schema>
  readonly #words: Words

  constructor(definitions: Record<string, Schema>, words: Words) {
    this.#definitions = definitions
    this.#words = words
  }

  /** Values of a parameter or member with this name. */
  named(name: string, schema: Schema, depth = 0): Arbitrary<unknown> {
    return Object.hasOwn(this.#words, name) ? (this.#words[name] as Arbitrary<unknown>) : this.of(schema, depth)
  }

  of(schema: Schema, depth = 0): Arbitrary<unknown> {
    const { $ref, type, const: only, enum: options, anyOf, oneOf, allOf } = schema
    if (typeof $ref === 'string') {
      return this.of(this.#definitions[$ref.slice('#/components/schemas/'.length)] as Schema, depth + 1)
    }
    if (only !== undefined) return fc.constant(only)
    if (Array.isArray(options)) return fc.constantFrom(...(options as unknown[]))
    const branches = (anyOf ?? oneOf) as Schema[] | undefined
    if (branches !== undefined) {
      // Below the maximum depth, only branches that do not recurse.
      const few = depth > MAX_DEPTH ? branches.filter(({ $ref: deeper }) => deeper === undefined) : branches
      return fc.oneof(...(few.length > 0 ? few : branches).map((branch) => this.of(branch, depth)))
    }
    if (Array.isArray(allOf)) return this.of(Object.assign({}, ...(allOf as Schema[])) as Schema, depth)
    switch (Array.isArray(type) ? type[0] : type) {
      case 'string':
        return stringOf(schema)
      case 'integer':
      case 'number':
        return numberOf(schema)
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      case 'array':
        return this.#arrayOf(schema, depth)
      case 'object':
        return this.#objectOf(schema, depth)
      default:
        return anyJson
    }
  }

  #arrayOf({ prefixItems = [], items, minItems = 0, maxItems = 5 }: Schema, depth: number): Arbitrary<unknown> {
    const first = (prefixItems as Schema[]).map((item) => this.of(item, depth + 1))
    const minLength = Math.max((minItems as number) - first.length, 0)
    const most = items === false || depth > MAX_DEPTH ? 0 : Math.min((maxItems as number) - first.length, 5)
    const maxLength = Math.max(most, minLength)
    const rest = maxLength > 0 && typeof items === 'object' ? this.of(items as Schema, depth + 1) : anyJson
    const more = fc.array(rest, { minLength, maxLength })
    return fc.tuple(fc.tuple(...first), more).map(([head, tail]) => [...head, ...tail])
  }

  #objectOf(schema: Schema, depth: number): Arbitrary<unknown> {
    const { properties = {}, required = [], additionalProperties, propertyNames } = schema
    const members = Object.entries(properties as Record<string, Schema>).filter(
      ([name]) => depth <= MAX_DEPTH || (required as string[]).includes(name),
    )
    const record = fc.record(
      Object.fromEntries(members.map(([name, member]) => [name, this.named(name, member, depth + 1)])),
      { requiredKeys: required as string[], noNullPrototype: true },
    )
    if (members.length > 0 || typeof additionalProperties !== 'object') return record
    const names =
      propertyNames === undefined ? fc.string({ maxLength: 8, unit }) : this.of(propertyNames as Schema, depth)
    return fc.dictionary(names as Arbitrary<string>, this.of(additionalProperties as Schema, depth + 1), {
      maxKeys: depth > MAX_DEPTH ? 0 : 4,
      noNullPrototype: true,
    })
  }
}

function stringOf({ format, pattern, minLength = 0, maxLength }: Schema): Arbitrary<string> {
  const known = FORMATS[format as string]
  if (known !== undefined) return known
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern))
  const most = Math.min((maxLength as number | undefined) ?? 40, (minLength as number) + 40)
  return fc.string({ minLength: minLength as number, maxLength: most, unit })
}

function numberOf({
  type,
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum,
  multipleOf,
}: Schema): Arbitrary<number> {
  const step = (multipleOf as number | undefined) ?? 1
  const above = (exclusiveMinimum as number | undefined) ?? Number.MIN_SAFE_INTEGER
  const below = (exclusiveMaximum as number | undefined) ?? Number.MAX_SAFE_INTEGER
  const min = (minimum as number | undefined) ?? above + 1
  const max = (maximum as number | undefined) ?? below - 1
  if (type === 'number' && multipleOf === undefined) return fc.double({ min, max, noNaN: true })
  const whole = { min: Math.ceil(min / step), max: Math.floor(max / step) }
  return fc
    .oneof(fc.integer({ min: whole.min, max: Math.min(whole.min + 100, whole.max) }), fc.maxSafeInteger())
    .map((n) => Math.min(Math.max(n, whole.min), whole.max) * step)
}

/** Keys and values that often break code. */
const ODD_KEYS = ['', '__proto__', 'constructor', 'toString', 'length', 'then', 'toJSON', '\ud800', 'ключ', 'a/b~c']
const ODD_TEXTS = ['', ' ', '\0', '\ud800', '\u202e', '🏳️‍🌈', '%00', '../..', 'null', '-1', '1e999', '{}', 'ﬀ', "'; --"]
export const odd: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324, [], {}),
  fc.constantFrom(...ODD_TEXTS),
  fc.string({ unit, maxLength: 40 }),
  fc.nat(20_000).map((length) => 'x'.repeat(length)),
  fc.nat(1_500).map((depth) => nested(depth)),
  fc.nat(1_000).map((length) => Array.from({ length }, () => null)),
  fc.dictionary(fc.constantFrom(...ODD_KEYS), fc.constantFrom(null, 0, 'a', {}), { noNullPrototype: true }),
  anyJson,
)

function nested(depth: number): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

/** A value with one change: a part is replaced, removed or added. */
export function mutated(values: Arbitrary<unknown>): Arbitrary<unknown> {
  const how = fc.constantFrom('replace', 'replace', 'remove', 'add')
  return fc
    .tuple(values, fc.array(fc.nat(9), { maxLength: 4 }), how, fc.constantFrom(...ODD_KEYS), odd)
    .map(([value, path, change, key, other]) => mutate(value, path, change, key, other))
}

function mutate(value: unknown, [first, ...path]: number[], how: string, key: string, other: unknown): unknown {
  if (typeof value !== 'object' || value === null) return how === 'remove' ? null : other
  const entries: [string, unknown][] = Object.entries(value)
  const at = first === undefined || entries.length === 0 ? -1 : first % entries.length
  const [name, part] = entries[at] ?? ['', undefined]
  if (at === -1) {
    if (how === 'replace') return other
    if (how === 'add') entries.push([key, other])
  } else if (how === 'remove') entries.splice(at, 1)
  else if (how === 'add' && path.length === 0) entries.push([key, other])
  else entries[at] = [name, mutate(part, path, how, key, other)]
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries)
}
