/**
 * Parses a payload, a result or an item with a zod schema of the service module. Synchronous where the schema allows
 * it, because a promise costs more than most parses.
 */
import type { z } from 'zod'
import type { PayloadIssue } from '../contract/errors.ts'
import { payloadIssues } from '../payload/issues.ts'

export type Parsed = { ok: true; value: unknown } | { ok: false; issues: PayloadIssue[] }

/** Without a schema any value is accepted. */
export function parseWithSchema(schema: z.ZodType | undefined, value: unknown): Parsed | Promise<Parsed> {
  if (schema === undefined) return { ok: true, value }
  try {
    return toParsed(schema.safeParse(value))
  } catch (error) {
    if (error instanceof RangeError) return { ok: false, issues: [{ pointer: '', message: 'It is nested too deeply' }] }
    // A schema with asynchronous refinements throws this. Compared by name, as a module may bring its own copy of zod.
    if (error instanceof Error && error.constructor.name === '$ZodAsyncError') {
      return schema.safeParseAsync(value).then(toParsed)
    }
    throw error
  }
}

function toParsed(result: z.ZodSafeParseResult<unknown>): Parsed {
  return result.success ? { ok: true, value: result.data } : { ok: false, issues: payloadIssues(result.error) }
}
