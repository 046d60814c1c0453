/** Parses with a schema of the module: at once where that is possible, as a promise a hop costs more than most parses. */
import type { z } from 'zod'
import type { PayloadIssue } from '../contract/errors.ts'
import { payloadIssues } from '../payload/issues.ts'

export type Parsed = { ok: true; value: unknown } | { ok: false; issues: PayloadIssue[] }

export function parse(schema: z.ZodType | undefined, value: unknown): Parsed | Promise<Parsed> {
  if (schema === undefined) return { ok: true, value }
  try {
    return toParsed(schema.safeParse(value))
  } catch (error) {
    if (error instanceof RangeError) return { ok: false, issues: [{ pointer: '', message: 'It is nested too deeply' }] }
    // A schema with asynchronous refinements says so by throwing; by name, as a module may bring its own zod.
    if (error instanceof Error && error.constructor.name === '$ZodAsyncError') {
      return schema.safeParseAsync(value).then(toParsed)
    }
    throw error
  }
}

function toParsed(result: z.ZodSafeParseResult<unknown>): Parsed {
  return result.success ? { ok: true, value: result.data } : { ok: false, issues: payloadIssues(result.error) }
}
