/**
 * The control thread's look at a payload before it reaches the queue (P1): with zod rebuilt from the widened schema of
 * its method. Whatever cannot be judged here is accepted, as the thread parses with the original.
 *
 * A look costs little more than the size of the payload: zod would collect an issue for each of millions of wrong
 * elements (ten seconds and three gigabytes for a body of 10 MiB), so here it stops at the first. Of a small payload
 * all issues are told.
 */
import { z } from 'zod'
import type { JsonSchema, MethodDescription } from '../contract/description.ts'
import type { PayloadIssue } from '../contract/errors.ts'
import { payloadIssues } from './issues.ts'

type Schema = z.core.$ZodType

/** Values in a small payload, itself included. */
const SMALL = 1_000

/**
 * A container stops at its first wrong part, as in zod's own `z.validate`. That `safeParse` is not asynchronous it adds
 * itself: to a copy of an object that lacks the key, which costs ten times the parse.
 */
const STOP_EARLY = { abortEarly: true, async: false } as z.core.ParseContext<z.core.$ZodIssue>

export class PayloadValidator {
  readonly #widened: JsonSchema | undefined
  #schema: z.ZodType | undefined

  constructor({ widenedInput }: Pick<MethodDescription, 'widenedInput'>) {
    this.#widened = widenedInput
  }

  /** Returns what is wrong with the payload, or `undefined` if it may go to the thread. */
  validate(payload: unknown): PayloadIssue[] | undefined {
    if (this.#widened === undefined) return undefined
    try {
      this.#schema ??= rebuild(this.#widened)
      if (z.validate(this.#schema, payload)) return undefined
      const { error } = this.#schema.safeParse(payload, isSmall(payload) ? undefined : STOP_EARLY)
      return error && payloadIssues(error)
    } catch {
      // Nested too deeply for zod: only the thread can tell.
      return undefined
    }
  }
}

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

/** Lets every issue end its container: by default, zod goes on after a wrong length, range, format or unknown key. */
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
    if (values.length + parts.length > SMALL) return false
    values.push(...parts)
  }
  return true
}
