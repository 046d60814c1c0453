/**
 * Widens a zod schema (P1): writes a JSON Schema from which `z.fromJSONSchema` rebuilds a zod schema that accepts
 * everything that the original accepts. The control thread validates with it, and never runs the code of a module.
 *
 * The JSON Schema is written from zod's definitions, and only the kinds of schema, checks and formats that are listed
 * here can refuse a payload. All others, which may mean something else after the rebuild, are left out, and so are
 * metadata, patterns and functions of users. (Loosening the output of `z.toJSONSchema` would be unsafe: a keyword that
 * was not thought of would stay in it, and could refuse a valid payload.)
 *
 * 1. Checks count up to the first that may change the value: later checks see another value than the client sent.
 * 2. JSON has no `undefined`. Whether a value may be missing is decided by its place: `required` in an object,
 *    `minItems` in a tuple. In other places `default` accepts `undefined`, which calls from inside the process can
 *    contain.
 * 3. Both sides of an intersection see the same value, and a key that one side does not know may belong to the other.
 *    So below an intersection no key is refused for being unknown (`shared`). The two sides are merged into one schema,
 *    because a rebuilt intersection would take quadratic time on the control thread.
 *
 * Assumed: a user's check neither removes an issue nor changes the payload in place.
 */
import { z } from 'zod'
import type { JsonSchema } from '../contract/description.ts'
import { anyOf, isAnyJson, merge, oneValueOf, orUndefined, refusesUndefined, withOthers } from './json-schema.ts'
import { keepsTheValue, numberSchema, stringSchema, arrayLength } from './widen-checks.ts'

type Schema = z.core.$ZodType
type Definition = z.core.$ZodTypes['_zod']['def']
type DefinitionOf<Type extends Definition['type']> = Extract<Definition, { type: Type }>

const MAX_NODES = 10_000

/** @throws if the schema cannot be widened: then any JSON must be accepted */
export function widen(schema: Schema): JsonSchema {
  return new Widening().run(schema)
}

class Widening {
  readonly #definitions: [name: string, JsonSchema][] = []
  /**
   * Schemas that are being visited, and recursive schemas that were visited before. A recursive schema has a reference:
   * it is written once, in `$defs`, and everywhere else by that reference.
   */
  readonly #visits = new Map<Schema, { reference?: JsonSchema }>()
  #nodes = 0
  #references = 0

  run(root: Schema): JsonSchema {
    const json = this.#visit(root)
    return this.#definitions.length === 0 ? json : { ...json, $defs: Object.fromEntries(this.#definitions) }
  }

  #visit(schema: Schema): JsonSchema {
    const known = this.#visitOf(schema)
    if (known !== undefined) {
      known.reference ??= { $ref: `#/$defs/${this.#references++}` }
      return known.reference
    }
    const visit: { reference?: JsonSchema } = {}
    this.#visits.set(schema, visit)
    const json = this.#widened(schema, false)
    if (visit.reference === undefined) {
      this.#visits.delete(schema)
      return json
    }
    if (isAnyJson(json, visit.reference)) {
      visit.reference = {}
      return {}
    }
    this.#definitions.push([(visit.reference.$ref as string).slice('#/$defs/'.length), json])
    return visit.reference
  }

  /**
   * The visit of a schema, or of one from which it was derived by `.check()`, `.describe()` and the like: a derived
   * schema accepts no more than the original.
   */
  #visitOf(schema: Schema): { reference?: JsonSchema } | undefined {
    for (let at: Schema | undefined = schema; at !== undefined; at = at._zod.parent) {
      const visit = this.#visits.get(at)
      if (visit !== undefined) return visit
    }
    return undefined
  }

  /** @param shared true below an intersection */
  #widened(schema: Schema, shared: boolean): JsonSchema {
    this.#nodes += 1
    if (this.#nodes > MAX_NODES) throw new Error('the schema is too large')
    if (!isOfThisZod(schema)) throw new Error('in another release of zod, the same definition may mean something else')

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
        return { type: 'array', items: this.#visit(def.element), ...arrayLength(schema) }
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
        return merge(this.#widened(def.left, true), this.#widened(def.right, true))
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
        // Any, unknown, catch, transform, custom, … and types that JSON does not have: date, bigint, map, set, file, …
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
    // A user's code may replace a key by `__proto__`, whose value zod does not parse.
    if (!isPlainKey(keyType)) return json
    const value = this.#visit(valueType)
    const names = [...(keyType._zod.values ?? [])].filter((key) => typeof key === 'string' || typeof key === 'number')
    // In a partial record, the keys '01' and '1.0' also stand for the number 1.
    if (names.length > 0 && !(partial && names.some((key) => typeof key === 'number'))) {
      const keys = names.map(String)
      return {
        ...json,
        properties: Object.fromEntries(keys.map((key) => [key, value])),
        required: partial === true || !refusesUndefined(value) ? [] : keys,
        ...(mode === 'loose' || shared ? {} : { additionalProperties: false }),
      }
    }
    const maySkipKeys = mode === 'loose' || (shared && !isAnyKey(keyType))
    return maySkipKeys ? json : withOthers(json, value)
  }

  #tuple({ items, rest }: DefinitionOf<'tuple'>): JsonSchema {
    const prefixItems = items.map((item) => this.#visit(item))
    // A tuple with a rest has no check of its length in zod.
    if (rest) return { type: 'array', prefixItems, items: this.#visit(rest) }
    const minItems = items.findLastIndex((item) => item._zod.optin === undefined) + 1
    return { type: 'array', prefixItems, items: false, minItems }
  }
}

function isOfThisZod({ _zod: { version } }: Schema): boolean {
  const { major, minor, patch } = z.core.version
  return version.major === major && version.minor === minor && version.patch === patch
}

const PLAIN_KEYS = new Set<string>(['string', 'number', 'enum', 'literal'])

/** True if the schema of a key checks the key as it is, and does not replace it. */
function isPlainKey(schema: Schema): boolean {
  const def = schema._zod.def as Definition
  if (!keepsTheValue(schema)) return false
  return def.type === 'union' ? def.options.every(isPlainKey) : PLAIN_KEYS.has(def.type)
}

/** True if the schema of a key accepts every key. */
function isAnyKey({ _zod: { def, traits } }: Schema): boolean {
  return def.type === 'string' && !def.checks?.length && !traits.has('$ZodCheck')
}
