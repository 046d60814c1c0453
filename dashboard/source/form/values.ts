/** Values to begin with: an empty form, and a filled one. Pure. */
import { type Field, fieldOf } from './field.ts'
import { isText, isWithin } from './fit.ts'
import { type Schema } from './schema.ts'

/** Deeper, only what must be there is filled in. */
const FULL_DEPTH = 3
const MAX_DEPTH = 20

/**
 * What an empty field holds: what must be there is there, and empty. `undefined`: nothing yet, so that a missing number is
 * not sent as 0.
 */
export function blank(root: Schema, schema: Schema, depth = 0): unknown {
  const field = fieldOf(root, schema)
  if ('default' in field) return structuredClone(field.default)
  if (depth > MAX_DEPTH) return undefined
  switch (field.kind) {
    case 'choice':
      return field.values.length === 1 ? field.values[0] : undefined
    case 'boolean':
      return false
    case 'text':
      return ''
    case 'null':
      return null
    case 'object': {
      const required = field.members.filter((member) => member.required)
      return withoutAbsent(required.map(({ name, schema }) => [name, blank(root, schema, depth + 1)]))
    }
    case 'list':
      return Array.from({ length: Math.min(field.minItems, 20) }, () => blank(root, field.item, depth + 1) ?? null)
    case 'tuple':
      return field.items.slice(0, Math.max(field.minItems, 1)).map((schema) => blank(root, schema, depth + 1) ?? null)
    case 'union':
      return blank(root, field.branches[0]?.schema ?? {}, depth + 1)
    default:
      return undefined
  }
}

/** A value that the schema accepts, with most optional members; `undefined` if none was found. */
export function sample(root: Schema, schema: Schema, depth = 0): unknown {
  const field = fieldOf(root, schema)
  if (field.examples.length > 0) return structuredClone(field.examples[0])
  if ('default' in field && field.default !== null) return structuredClone(field.default)
  if (depth > MAX_DEPTH) return field.nullable ? null : undefined
  const found = sampleOf(root, field, depth)
  return found === undefined && field.nullable ? null : found
}

function sampleOf(root: Schema, field: Field, depth: number): unknown {
  switch (field.kind) {
    case 'any':
      return {}
    case 'never':
      return undefined
    case 'null':
      return null
    case 'boolean':
      return true
    case 'choice':
      return field.values[0]
    case 'number':
      return numbers(field).find((value) => isWithin(field, value))
    case 'text':
      return texts(field).find((value) => isText(field, value))
    case 'object':
      return sampleObject(root, field, depth)
    case 'list':
      return sampleList(root, field, depth)
    case 'tuple': {
      const items: unknown[] = []
      for (const schema of field.items) {
        const item = sample(root, schema, depth + 1)
        if (item === undefined) break
        items.push(item)
      }
      while (items.length < field.minItems && field.rest) items.push(sample(root, field.rest, depth + 1))
      return items.length < field.minItems || items.includes(undefined) ? undefined : items
    }
    case 'union':
      for (const { schema } of field.branches) {
        const found = sample(root, schema, depth + 1)
        if (found !== undefined) return found
      }
      return undefined
  }
}

function sampleObject(root: Schema, field: Extract<Field, { kind: 'object' }>, depth: number): unknown {
  const entries: [string, unknown][] = []
  for (const { name, schema, required } of field.members) {
    if (!required && depth >= FULL_DEPTH) continue
    const value = sample(root, schema, depth + 1)
    if (value === undefined && required) return undefined
    entries.push([name, value])
  }
  return withoutAbsent(entries)
}

function sampleList(root: Schema, field: Extract<Field, { kind: 'list' }>, depth: number): unknown {
  const wanted = Math.min(depth >= FULL_DEPTH ? field.minItems : Math.max(field.minItems, 1), field.maxItems, 20)
  const item = wanted === 0 ? undefined : sample(root, field.item, depth + 1)
  if (item === undefined) return field.minItems === 0 ? [] : undefined
  return Array.from({ length: wanted }, () => structuredClone(item))
}

function numbers(field: Extract<Field, { kind: 'number' }>): number[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = field
  const low = Math.max(minimum ?? Number.NEGATIVE_INFINITY, exclusiveMinimum ?? Number.NEGATIVE_INFINITY)
  const high = Math.min(maximum ?? Number.POSITIVE_INFINITY, exclusiveMaximum ?? Number.POSITIVE_INFINITY)
  const step = multipleOf ?? 1
  const near = [low, high].filter(Number.isFinite).flatMap((edge) => {
    const floor = Math.floor(edge / step) * step
    return [edge, floor, floor + step, floor - step]
  })
  return [1, 0, step, ...near, (low + high) / 2].filter(Number.isFinite)
}

/** Format → a text of that format. The others are tried for texts with a pattern alone. */
const TEXTS: Record<string, string> = {
  email: 'ada@example.org',
  uuid: '019ab3f0-7c00-7000-8000-000000000001',
  uri: 'https://example.org/',
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00',
  duration: 'PT1H30M',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  hostname: 'example.org',
  base64: 'aGVsbG8=',
  base64url: 'aGVsbG8',
  cidrv4: '192.0.2.0/24',
  cidrv6: '2001:db8::/32',
  e164: '+4915112345678',
  ulid: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  nanoid: 'V1StGXR8_Z5jdHi6B-myT',
  cuid2: 'tz4a98xxat96iws9zmbrgj3a',
  emoji: '👍',
}

function texts({ format, minLength = 0, maxLength = 64 }: Extract<Field, { kind: 'text' }>): string[] {
  const own = format === undefined ? [] : [TEXTS[format] ?? []].flat()
  const word = 'text'.repeat(Math.ceil(Math.max(minLength, 4) / 4))
  return [
    ...own,
    word.slice(0, Math.max(minLength, Math.min(4, maxLength))),
    ...Object.values(TEXTS),
    'a',
    'A',
    '1',
    '',
  ]
}

/** Through `Object.fromEntries`, so that a member `__proto__` is a member. */
function withoutAbsent(entries: [string, unknown][]): object {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
