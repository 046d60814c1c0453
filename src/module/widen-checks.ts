/**
 * Widens the checks of strings, numbers and arrays (`widen-schema.ts`): writes those as JSON Schema that
 * `z.fromJSONSchema` rebuilds with the same meaning, and drops all others.
 */
import { z } from 'zod'
import type { JsonSchema } from '../contract/description.ts'

type Schema = z.core.$ZodType
type CheckDefinition = z.core.$ZodChecks['_zod']['def']

const { regexes } = z.core

/** Checks that do not change the value. Checks of formats do not either, except `url`, which trims. */
const UNCHANGING_CHECKS = new Set([
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

/**
 * zod's own condition (`when`) for checks of length; any other was written by a user. Compared by its source, as a
 * module may bring its own copy of zod.
 */
const LENGTH_CONDITION = String(z.minLength(0)._zod.def.when)

/**
 * zod's name of a format → its name in JSON Schema, and zod's own patterns for it, which the rebuilt check covers. A
 * format with a user's pattern is dropped. Formats that are missing here are dropped too: their rebuilt check would be
 * narrower (guid, time) or slow on a long text (jwt), there is none (hex, includes, …), or a user's check looks the
 * same (hostname).
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
  for (const def of checksOfOriginalValue(schema)) {
    if (def.check === 'string_format') Object.assign(json, format(def))
    else Object.assign(json, lengths(json, def, 'minLength', 'maxLength'))
  }
  // The rebuilt check of a URL trims the text before its length is checked.
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

/**
 * The rebuilt check requires seconds, and `Z` or an offset. A format without seconds, or of local times, is dropped.
 */
function dateTime({ pattern, precision, offset }: z.core.$ZodISODateTimeDef): JsonSchema {
  const own = regexes.datetime({ precision: precision ?? null, offset: offset === true })
  return precision !== -1 && String(pattern) === String(own) ? { format: 'date-time' } : {}
}

export function numberSchema(schema: Schema): JsonSchema {
  if (coerces(schema)) return {}
  const json: JsonSchema = { type: 'number' }
  for (const def of checksOfOriginalValue(schema)) {
    if (def.check === 'number_format' && def.format.includes('int')) {
      const [minimum, maximum] = z.core.util.NUMBER_FORMAT_RANGES[def.format]
      // The rebuilt check of an integer has the bounds of safe integers anyway.
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

/** The length of an array. Checks after a user's check do not count, because that may change the array in place. */
export function arrayLength(schema: Schema): JsonSchema {
  const json: JsonSchema = {}
  for (const def of checksOfOriginalValue(schema)) Object.assign(json, lengths(json, def, 'minItems', 'maxItems'))
  return json
}

function lengths(json: JsonSchema, def: CheckDefinition, least: string, most: string): JsonSchema {
  if (def.check === 'min_length') return bound(json, least, def.minimum)
  if (def.check === 'max_length') return bound(json, most, def.maximum)
  if (def.check === 'length_equals') return { ...bound(json, least, def.length), ...bound(json, most, def.length) }
  return {}
}

/** Adds a bound: the tighter of two, as both must hold. A bound that JSON cannot express is dropped. */
function bound(json: JsonSchema, keyword: string, value: unknown): JsonSchema {
  if (typeof value !== 'number' || !Number.isFinite(value)) return {}
  const tighter = /min/i.test(keyword) ? Math.max : Math.min
  return { [keyword]: tighter((json[keyword] as number | undefined) ?? value, value) }
}

function coerces(schema: Schema): boolean {
  return (schema._zod.def as { coerce?: boolean }).coerce === true
}

/** True if no check of the schema changes the value. */
export function keepsTheValue(schema: Schema): boolean {
  return checksOf(schema).every((def) => isUnchanging(schema, def))
}

/** The checks that see the value as the client sent it: up to the first check that may change it. */
function* checksOfOriginalValue(schema: Schema): Generator<CheckDefinition> {
  for (const def of checksOf(schema)) {
    if (def.when === undefined || String(def.when) === LENGTH_CONDITION) yield def
    if (!isUnchanging(schema, def)) return
  }
}

/** The checks of a schema. A format such as `z.email()` is its own first check. */
function checksOf(schema: Schema): CheckDefinition[] {
  const { def, traits } = schema._zod
  const own = traits.has('$ZodCheck') ? [schema as unknown as z.core.$ZodCheck] : []
  return [...own, ...(def.checks ?? [])].map((check) => check._zod.def as CheckDefinition)
}

function isUnchanging(schema: Schema, def: CheckDefinition): boolean {
  if (def.check === 'string_format') return def.format !== 'url'
  // `.refine()` gets the value alone. Other checks of users get the payload that holds the value, and can replace it.
  const isRefinement = (def.check as string) === 'custom' && 'fn' in def
  return UNCHANGING_CHECKS.has(def.check) || (isRefinement && schema._zod.def.type !== 'array')
}
