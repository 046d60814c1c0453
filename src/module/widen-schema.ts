/**
 * What the control thread validates with (P1): a JSON Schema from which `z.fromJSONSchema` rebuilds a zod schema that
 * accepts at least all that the original accepts.
 *
 * It is written down from zod's definitions, and not by softening what `z.toJSONSchema` makes of them, so that only
 * what is listed here can refuse a payload. A kind of schema, a check or a format that is not known to mean the same
 * after the rebuild does not get in, nor does any user's metadata, pattern or function.
 *
 * 1. Checks count up to the first that may replace the value: the later ones see another than the client sent.
 * 2. JSON has no `undefined`, so its place decides on absence: `required` in an object, `minItems` in a tuple. Elsewhere
 *    a `default` lets `undefined` pass, which payloads of calls inside the process may hold.
 * 3. Both sides of an intersection see the same value, and a key that one side does not know may be the other's: below
 *    an intersection no key is refused for being unknown (`shared`). The two are folded into one schema, because a
 *    rebuilt intersection would take quadratic time on the control thread.
 *
 * Taken for granted: a user's check neither withdraws an issue nor changes the payload in place.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { JsonSchema } from '../contract/description.ts'
import { leavesTheValue, numberSchema, stringSchema, unalteredLength } from './widen-checks.ts'

type Schema = z.core.$ZodType
type Definition = z.core.$ZodTypes['_zod']['def']
type DefinitionOf<Type extends Definition['type']> = Extract<Definition, { type: Type }>

const MAX_NODES = 10_000

/** @throws if it cannot be widened; then any JSON has to do */
export function widen(schema: Schema): JsonSchema {
  return new Widening().run(schema)
}

class Widening {
  readonly #definitions: [name: string, JsonSchema][] = []
  /** Schemas being visited, and those that were met again below themselves: these are told by reference. */
  readonly #met = new Map<Schema, { reference?: JsonSchema }>()
  #nodes = 0
  #references = 0

  run(root: Schema): JsonSchema {
    const json = this.#visit(root)
    return this.#definitions.length === 0 ? json : { ...json, $defs: Object.fromEntries(this.#definitions) }
  }

  #visit(schema: Schema): JsonSchema {
    const met = this.#metBefore(schema)
    if (met !== undefined) {
      met.reference ??= { $ref: `#/$defs/${this.#references++}` }
      return met.reference
    }
    const visit: { reference?: JsonSchema } = {}
    this.#met.set(schema, visit)
    const json = this.#widened(schema, false)
    if (visit.reference === undefined) {
      this.#met.delete(schema)
      return json
    }
    if (isAnyJson(json, visit.reference)) {
      visit.reference = {}
      return {}
    }
    this.#definitions.push([(visit.reference.$ref as string).slice('#/$defs/'.length), json])
    return visit.reference
  }

  /** A schema stands for what `.check()`, `.describe()` and the like derive from it: they accept no more than it does. */
  #metBefore(schema: Schema): { reference?: JsonSchema } | undefined {
    for (let at: Schema | undefined = schema; at !== undefined; at = at._zod.parent) {
      const met = this.#met.get(at)
      if (met !== undefined) return met
    }
    return undefined
  }

  #widened(schema: Schema, shared: boolean): JsonSchema {
    this.#nodes += 1
    if (this.#nodes > MAX_NODES) throw new Error('the schema is too large')
    if (!isOfThisZod(schema)) throw new Error('another release of zod may mean something else by the same definition')

    const inner = (below: Schema) => (shared ? this.#widened(below, true) : this.#visit(below))
    const def = schema._zod.def as Definition
    switch (def.type) {
      case 'string':
        return stringSchema(schema)
      case 'number':
        return numberSchema(schema)
      case 'template_literal':
        return { type: 'string' }
      case 'boolean':
        return def.coerce === true ? {} : { type: 'boolean' }
      case 'null':
        return { type: 'null' }
      case 'never':
        return { not: {} }
      case 'undefined':
      case 'void':
        return orUndefined({ not: {} })
      case 'enum':
      case 'literal':
        return oneValueOf([...(schema._zod.values ?? [])])
      case 'array':
        return { type: 'array', items: this.#visit(def.element), ...unalteredLength(schema) }
      case 'tuple':
        return this.#tuple(def)
      case 'object':
        return this.#object(def, shared)
      case 'record':
        return this.#record(def, shared)
      case 'union':
        return anyOf(def.options.map(inner))
      case 'nullable':
        return anyOf([inner(def.innerType), { type: 'null' }])
      case 'intersection':
        return fold(this.#widened(def.left, true), this.#widened(def.right, true))
      case 'optional':
      case 'default':
      case 'prefault':
        return orUndefined(inner(def.innerType))
      case 'nonoptional':
      case 'readonly':
        return inner(def.innerType)
      case 'lazy':
        return inner((schema as z.core.$ZodLazy)._zod.innerType)
      case 'pipe':
        return inner(def.in)
      default:
        // Any, unknown, catch, transform, custom, … and what JSON cannot hold: date, bigint, map, set, file, …
        return {}
    }
  }

  #object({ shape, catchall }: DefinitionOf<'object'>, shared: boolean): JsonSchema {
    const keys = Object.keys(shape)
    const json: JsonSchema = {
      type: 'object',
      properties: Object.fromEntries(keys.map((key) => [key, this.#visit(shape[key] as Schema)])),
      required: keys.filter((key) => shape[key]?._zod.optin === undefined),
    }
    if (catchall?._zod.def.type !== 'never') return catchall ? withOthers(json, this.#visit(catchall)) : json
    return shared ? json : { ...json, additionalProperties: false }
  }

  #record({ keyType, valueType, mode, partial }: DefinitionOf<'record'>, shared: boolean): JsonSchema {
    const json = { type: 'object' }
    // A key that a user's code makes of another may be `__proto__`, whose value is not looked at.
    if (!isPlainKey(keyType)) return json
    const value = this.#visit(valueType)
    const names = [...(keyType._zod.values ?? [])].filter((key) => typeof key === 'string' || typeof key === 'number')
    // The number 1 as a key of a partial record is also '01' or '1.0'.
    if (names.length > 0 && !(partial && names.some((key) => typeof key === 'number'))) {
      const keys = names.map(String)
      return {
        ...json,
        properties: Object.fromEntries(keys.map((key) => [key, value])),
        required: partial === true || !refusesUndefined(value) ? [] : keys,
        ...(mode === 'loose' || shared ? {} : { additionalProperties: false }),
      }
    }
    const mayPassOver = mode === 'loose' || (shared && !isAnyKey(keyType))
    return mayPassOver ? json : withOthers(json, value)
  }

  #tuple({ items, rest }: DefinitionOf<'tuple'>): JsonSchema {
    const prefixItems = items.map((item) => this.#visit(item))
    // With a rest, zod does not look at the length.
    if (rest) return { type: 'array', prefixItems, items: this.#visit(rest) }
    const minItems = items.findLastIndex((item) => item._zod.optin === undefined) + 1
    return { type: 'array', prefixItems, items: false, minItems }
  }
}

function isOfThisZod({ _zod: { version } }: Schema): boolean {
  const { major, minor, patch } = z.core.version
  return version.major === major && version.minor === minor && version.patch === patch
}

function isAnything(json: JsonSchema): boolean {
  return Object.keys(json).length === 0
}

/** Is it `z.json()`? That is not worth a walk through the payload. */
function isAnyJson(json: JsonSchema, self: JsonSchema): boolean {
  const scalars = ['string', 'number', 'boolean', 'null'].map((type) => ({ type }))
  const containers = [
    { type: 'array', items: self },
    { type: 'object', additionalProperties: self },
  ]
  return isDeepStrictEqual(json, { anyOf: [...scalars, ...containers] })
}

function anyOf(options: JsonSchema[]): JsonSchema {
  return options.some(isAnything) ? {} : { anyOf: options }
}

function orUndefined(json: JsonSchema): JsonSchema {
  return isAnything(json) ? json : { ...json, default: null }
}

function refusesUndefined(json: JsonSchema): boolean {
  return ('type' in json || 'enum' in json) && !('default' in json)
}

function withOthers(json: JsonSchema, others: JsonSchema): JsonSchema {
  return isAnything(others) ? json : { ...json, additionalProperties: others }
}

/** JSON Schema of an enum or literal; one that holds what JSON cannot is left to the thread. */
function oneValueOf(values: z.core.util.Primitive[]): JsonSchema {
  const json = values.filter((value) => value !== undefined)
  if (json.some((value) => typeof value === 'bigint' || typeof value === 'symbol')) return {}
  if (json.some((value) => typeof value === 'number' && !Number.isFinite(value))) return {}
  return json.length === values.length ? { enum: json } : orUndefined({ enum: json })
}

const PLAIN_KEYS = new Set<string>(['string', 'number', 'enum', 'literal'])

/** Is a property's name looked at as it is, and not replaced? */
function isPlainKey(schema: Schema): boolean {
  const def = schema._zod.def as Definition
  if (!leavesTheValue(schema)) return false
  return def.type === 'union' ? def.options.every(isPlainKey) : PLAIN_KEYS.has(def.type)
}

function isAnyKey({ _zod: { def, traits } }: Schema): boolean {
  return def.type === 'string' && !def.checks?.length && !traits.has('$ZodCheck')
}

/**
 * A schema that accepts all that both do. Objects become one, and one of a union of objects goes into each of them;
 * of anything else the more telling side has to do.
 */
function fold(left: JsonSchema, right: JsonSchema): JsonSchema {
  if (left.type !== 'object') return right.type === 'object' ? fold(right, left) : isAnything(left) ? right : left
  if (Array.isArray(right.anyOf)) return { ...right, anyOf: right.anyOf.map((option) => fold(left, option)) }
  if (right.type !== 'object') return left
  const required = [...((left.required ?? []) as string[]), ...((right.required ?? []) as string[])]
  return {
    ...right,
    ...left,
    properties: { ...(right.properties as JsonSchema), ...(left.properties as JsonSchema) },
    required: [...new Set(required)],
  }
}
