/** Composes JSON Schemas: the small operations of which `widen-schema.ts` makes widened schemas. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import type { JsonSchema } from '../contract/description.ts'

type Primitive = z.core.util.Primitive

/** True for the schema that accepts any value. */
function isAnything(json: JsonSchema): boolean {
  return Object.keys(json).length === 0
}

/**
 * True for the JSON Schema of `z.json()`, which accepts any JSON: to validate it would only cost a walk through the
 * payload.
 * @param self the reference by which the schema contains itself
 */
export function isAnyJson(json: JsonSchema, self: JsonSchema): boolean {
  const scalars = ['string', 'number', 'boolean', 'null'].map((type) => ({ type }))
  const containers = [
    { type: 'array', items: self },
    { type: 'object', additionalProperties: self },
  ]
  return isDeepStrictEqual(json, { anyOf: [...scalars, ...containers] })
}

/** Accepts what one of the options accepts. */
export function anyOf(options: JsonSchema[]): JsonSchema {
  return options.some(isAnything) ? {} : { anyOf: options }
}

/** Accepts `undefined` too. */
export function orUndefined(json: JsonSchema): JsonSchema {
  return isAnything(json) ? json : { ...json, default: null }
}

/** True if `undefined` is refused for certain. */
export function refusesUndefined(json: JsonSchema): boolean {
  return ('type' in json || 'enum' in json) && !('default' in json)
}

/** An object whose other members, beside its properties, have a schema too. */
export function withOthers(json: JsonSchema, others: JsonSchema): JsonSchema {
  return isAnything(others) ? json : { ...json, additionalProperties: others }
}

/** JSON Schema of an enum or literal. Accepts any value if one of the values has no JSON. */
export function oneValueOf(values: Primitive[]): JsonSchema {
  const json = values.filter((value) => value !== undefined)
  if (json.some((value) => typeof value === 'bigint' || typeof value === 'symbol')) return {}
  if (json.some((value) => typeof value === 'number' && !Number.isFinite(value))) return {}
  return json.length === values.length ? { enum: json } : orUndefined({ enum: json })
}

/**
 * A schema that accepts everything that both schemas accept. Two objects are merged; an object and a union are merged
 * with each option of the union. Of other schemas, one side is used, and the other is dropped.
 */
export function merge(left: JsonSchema, right: JsonSchema): JsonSchema {
  if (left.type !== 'object') return right.type === 'object' ? merge(right, left) : isAnything(left) ? right : left
  if (Array.isArray(right.anyOf)) return { ...right, anyOf: right.anyOf.map((option) => merge(left, option)) }
  if (right.type !== 'object') return left
  const required = [...((left.required ?? []) as string[]), ...((right.required ?? []) as string[])]
  return {
    ...right,
    ...left,
    properties: { ...(right.properties as JsonSchema), ...(left.properties as JsonSchema) },
    required: [...new Set(required)],
  }
}
