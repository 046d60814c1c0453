/** The checks of strings, numbers and arrays that mean the same after the rebuild; see `widen.ts`. */
import { z } from 'zod'
import type { JsonSchema } from '../contract/description.ts'

type Schema = z.core.$ZodType
type CheckDefinition = z.core.$ZodChecks['_zod']['def']

const { regexes } = z.core

/** Checks that leave the value as it is, beside those of formats (of which `url` alone does not: it trims). */
const LEAVE_THE_VALUE = new Set([
  'less_than',
  'greater_than',
  'multiple_of',
  'number_format',
  'min_length',
  'max_length',
  'length_equals',
  'describe',
  'meta',
])

/** The condition that zod itself gives to checks of length; compared by its source, as a module may bring its own zod. */
const ON_A_LENGTH = String(z.minLength(0)._zod.def.when)

/**
 * zod's name of a format → JSON Schema's, and the patterns that the rebuilt check covers; a format with a pattern of
 * the user's is dropped. Not here: those whose rebuilt check is narrower (guid, time), missing (hex, includes, …), not
 * to be told from a user's (hostname), or slow on a long text (jwt).
 */
const FORMATS = new Map<string, readonly [name: string, ...patterns: RegExp[]]>([
  ['email', ['email', regexes.email]],
  ['uuid', ['uuid', regexes.uuid(), ...[1, 2, 3, 4, 5, 6, 7, 8].map((version) => regexes.uuid(version))]],
  ['date', ['date', regexes.date]],
  ['duration', ['duration', regexes.duration]],
  ['ipv4', ['ipv4', regexes.ipv4]],
  ['ipv6', ['ipv6', regexes.ipv6]],
  ['mac', ['mac', regexes.mac(':')]],
  ['cidrv4', ['cidr', regexes.cidrv4]],
  ['cidrv6', ['cidr-v6', regexes.cidrv6]],
  ['base64', ['base64', z.base64()._zod.def.pattern as RegExp]],
  ['base64url', ['base64url', z.base64url()._zod.def.pattern as RegExp]],
  ['e164', ['e164', regexes.e164]],
  ['credit_card', ['credit_card', regexes.creditCard]],
  ['iban', ['iban', regexes.iban]],
  ['emoji', ['emoji', regexes.emoji()]],
  ['nanoid', ['nanoid', regexes.nanoid]],
  ['cuid', ['cuid', regexes.cuid]],
  ['cuid2', ['cuid2', regexes.cuid2]],
  ['ulid', ['ulid', regexes.ulid]],
  ['xid', ['xid', regexes.xid]],
  ['ksuid', ['ksuid', regexes.ksuid]],
])

export function stringSchema(schema: Schema): JsonSchema {
  if (coerces(schema)) return {}
  const json: JsonSchema = { type: 'string' }
  for (const def of checksOnTheOriginal(schema)) {
    if (def.check === 'string_format') Object.assign(json, format(def))
    else Object.assign(json, lengths(json, def, 'minLength', 'maxLength'))
  }
  // The rebuilt check of a URL trims before the length is looked at.
  if (json.format === 'uri') delete json.minLength
  return json
}

function format(def: z.core.$ZodCheckStringFormatDef): JsonSchema {
  if ('fn' in def) return {}
  if (def.format === 'url') return { format: 'uri' }
  if (def.format === 'datetime') return dateTime(def as z.core.$ZodISODateTimeDef)
  const known = FORMATS.get(def.format)
  if (known === undefined) return {}
  const [name, ...patterns] = known
  return patterns.some((pattern) => String(pattern) === String(def.pattern)) ? { format: name } : {}
}

/** The rebuilt check wants seconds, and a `Z` or an offset; the pattern of local times is another. */
function dateTime({ pattern, precision, offset }: z.core.$ZodISODateTimeDef): JsonSchema {
  const own = regexes.datetime({ precision: precision ?? null, offset: offset === true })
  return precision !== -1 && String(pattern) === String(own) ? { format: 'date-time' } : {}
}

export function numberSchema(schema: Schema): JsonSchema {
  if (coerces(schema)) return {}
  const json: JsonSchema = { type: 'number' }
  for (const def of checksOnTheOriginal(schema)) {
    if (def.check === 'number_format' && def.format.includes('int')) {
      const [minimum, maximum] = z.core.util.NUMBER_FORMAT_RANGES[def.format]
      // The rebuilt check of an integer has the bounds of safe integers.
      const bounds = { ...bound(json, 'minimum', minimum), ...bound(json, 'maximum', maximum) }
      Object.assign(json, { type: 'integer' }, def.format === 'safeint' ? {} : bounds)
    } else if (def.check === 'greater_than') {
      Object.assign(json, bound(json, def.inclusive ? 'minimum' : 'exclusiveMinimum', def.value))
    } else if (def.check === 'less_than') {
      Object.assign(json, bound(json, def.inclusive ? 'maximum' : 'exclusiveMaximum', def.value))
    } else if (def.check === 'multiple_of' && Number.isFinite(def.value)) {
      json.multipleOf = def.value
    }
  }
  return json
}

/** How many elements an array must have; a user's check may change it in place, so nothing after one counts. */
export function unalteredLength(schema: Schema): JsonSchema {
  const json: JsonSchema = {}
  for (const def of checksOnTheOriginal(schema)) Object.assign(json, lengths(json, def, 'minItems', 'maxItems'))
  return json
}

function lengths(json: JsonSchema, def: CheckDefinition, least: string, most: string): JsonSchema {
  if (def.check === 'min_length') return bound(json, least, def.minimum)
  if (def.check === 'max_length') return bound(json, most, def.maximum)
  if (def.check === 'length_equals') return { ...bound(json, least, def.length), ...bound(json, most, def.length) }
  return {}
}

/** The tighter of two bounds, as both hold; one that JSON cannot write is dropped. */
function bound(json: JsonSchema, keyword: string, value: unknown): JsonSchema {
  if (typeof value !== 'number' || !Number.isFinite(value)) return {}
  const tighter = /min/i.test(keyword) ? Math.max : Math.min
  return { [keyword]: tighter((json[keyword] as number | undefined) ?? value, value) }
}

function coerces(schema: Schema): boolean {
  return (schema._zod.def as { coerce?: boolean }).coerce === true
}

/** Do all its checks see, and leave, the value as it came? */
export function leavesTheValue(schema: Schema): boolean {
  return checksOf(schema).every((def) => leaves(schema, def))
}

function* checksOnTheOriginal(schema: Schema): Generator<CheckDefinition> {
  for (const def of checksOf(schema)) {
    if (def.when === undefined || String(def.when) === ON_A_LENGTH) yield def
    if (!leaves(schema, def)) return
  }
}

/** A format such as `z.email()` is its own first check. */
function checksOf(schema: Schema): CheckDefinition[] {
  const { def, traits } = schema._zod
  const own = traits.has('$ZodCheck') ? [schema as unknown as z.core.$ZodCheck] : []
  return [...own, ...(def.checks ?? [])].map((check) => check._zod.def as CheckDefinition)
}

function leaves(schema: Schema, def: CheckDefinition): boolean {
  if (def.check === 'string_format') return def.format !== 'url'
  // `.refine()` is given the value, other checks of a user's the payload that holds it.
  const isRefinement = (def.check as string) === 'custom' && 'fn' in def
  return LEAVE_THE_VALUE.has(def.check) || (isRefinement && schema._zod.def.type !== 'array')
}
