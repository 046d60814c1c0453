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
  const parts: unknown[] = Object.values(def).flat()
  if (def.type === 'object') {
    if (def.catchall?._zod.def.type === 'never') def.catchall = UNRECOGNIZED
    parts.push(...Object.values(def.shape))
  }
  if (schema instanceof z.ZodLazy) parts.push(schema.unwrap())
  for (const part of parts) if (part instanceof z.core.$ZodType) stopAtEveryIssue(part, seen)
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
