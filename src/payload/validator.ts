/**
 * Validates a payload on the control thread before it enters the queue (P1), with a zod schema that is rebuilt from the
 * widened JSON Schema of the method. What cannot be decided here is accepted: the thread parses with the original
 * schema.
 *
 * The cost is about proportional to the size of the payload. zod would collect an issue for each of millions of wrong
 * elements (ten seconds and three gigabytes for a body of 10 MiB), so a large payload is refused at its first issue.
 * For a small payload all issues are reported.
 */
import { z } from 'zod'
import type { JsonSchema, MethodDescription } from '../contract/description.ts'
import type { PayloadIssue } from '../contract/errors.ts'
import { payloadIssues } from './issues.ts'

type Schema = z.core.$ZodType

/** A payload is small if it has at most so many values, itself included. */
const SMALL_VALUES = 1_000

/**
 * Makes `safeParse` stop at the first wrong part of a container, as `z.validate` does. `async: false` is there for
 * speed: without that key, zod adds it to a copy of this object, which costs ten times as much as the parse.
 */
const STOP_EARLY = { abortEarly: true, async: false } as z.core.ParseContext<z.core.$ZodIssue>

export class PayloadValidator {
  readonly #widened: JsonSchema | undefined
  #schema: z.ZodType | undefined

  constructor({ widenedInput }: Pick<MethodDescription, 'widenedInput'>) {
    this.#widened = widenedInput
  }

  /** Returns the issues of the payload, or `undefined` if it is accepted. */
  validate(payload: unknown): PayloadIssue[] | undefined {
    if (this.#widened === undefined) return undefined
    try {
      this.#schema ??= rebuild(this.#widened)
      if (z.validate(this.#schema, payload)) return undefined
      const { error } = this.#schema.safeParse(payload, isSmall(payload) ? undefined : STOP_EARLY)
      return error && payloadIssues(error)
    } catch {
      // Nested too deeply for zod: the thread decides.
      return undefined
    }
  }
}

/** A schema that accepts any JSON, if zod cannot rebuild this one. */
function rebuild(widened: JsonSchema): z.ZodType {
  try {
    const schema = z.fromJSONSchema(widened)
    stopAtEveryIssue(schema, new Set())
    discriminateUnions(schema, new Set())
    return schema
  } catch {
    return z.any()
  }
}

const UNRECOGNIZED = z.custom(() => false, 'Unrecognized key')

/** Makes every issue stop its container. By default, zod goes on after a wrong length, range, format or unknown key. */
function stopAtEveryIssue(schema: Schema, seen: Set<Schema>): void {
  if (seen.has(schema)) return
  seen.add(schema)
  const def = (schema as z.core.$ZodTypes)._zod.def
  for (const check of def.checks ?? []) check._zod.def.abort = true
  if (def.type === 'object' && def.catchall?._zod.def.type === 'never') def.catchall = UNRECOGNIZED
  for (const part of partsOf(schema)) stopAtEveryIssue(part, seen)
}

function partsOf(schema: Schema): Schema[] {
  const def = (schema as z.core.$ZodTypes)._zod.def
  const parts: unknown[] = Object.values(def).flat()
  if (def.type === 'object') parts.push(...Object.values(def.shape))
  if (schema instanceof z.ZodLazy) parts.push(schema.unwrap())
  return parts.filter((part) => part instanceof z.core.$ZodType)
}

/**
 * A union whose options are told apart by a tag looks at the tag first, as `z.discriminatedUnion` does: to try one option
 * after the other takes as many times longer as there are options. JSON Schema cannot say so, so it is found out here.
 */
function discriminateUnions(schema: Schema, seen: Set<Schema>): void {
  if (seen.has(schema)) return
  seen.add(schema)
  for (const part of partsOf(schema)) discriminateUnions(part, seen)
  const { def } = schema._zod
  if (!isUnion(schema) || schema._zod.def.options.length < 2 || (def.checks ?? []).length > 0) return
  for (const tag of Object.keys((schema._zod.def.options[0] as z.core.$ZodObject)._zod.propValues ?? {})) {
    try {
      const discriminated = z.discriminatedUnion(tag, schema._zod.def.options as never)._zod
      const parse: typeof discriminated.parse = (payload, context) => discriminated.parse(payload, context)
      // Found here, and not at the first payload, if two options have the same tag.
      void parse({ value: {}, issues: [] }, { async: false })
      Object.assign(schema._zod, { parse, run: parse })
      Object.assign(def, { discriminator: tag })
      return
    } catch {
      // This property does not tell the options apart.
    }
  }
}

function isUnion(schema: Schema): schema is z.core.$ZodUnion {
  return schema instanceof z.ZodUnion && schema._zod.def.inclusive !== false
}

function isSmall(payload: unknown): boolean {
  const values = [payload]
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (typeof value !== 'object' || value === null) continue
    const parts: unknown[] = Array.isArray(value) ? value : Object.values(value)
    if (values.length + parts.length > SMALL_VALUES) return false
    values.push(...parts)
  }
  return true
}
