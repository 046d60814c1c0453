/** Parses the configuration that a service was registered with, by the schema of its module. */
import type { z } from 'zod'
import { markUnloadable, type PayloadIssue, ThreadplaneError } from '../contract/errors.ts'
import { parseWithSchema } from './parse-with-schema.ts'

/**
 * What handlers get as `context.config`. A service without a schema takes no configuration.
 * @param given `undefined`: none was given, and the schema parses `{}`
 * @throws VALIDATION_FAILED, which names the key. It is marked as one that each further start would throw too
 */
export async function parseConfig(
  service: string,
  schema: z.ZodType | undefined,
  given: Record<string, unknown> | undefined,
): Promise<unknown> {
  if (schema === undefined) {
    if (given === undefined) return undefined
    throw refused(service, [{ pointer: '', message: 'its module takes no config' }])
  }
  const parsed = await parseWithSchema(schema, given ?? {})
  if (!parsed.ok) throw refused(service, parsed.issues)
  return parsed.value
}

function refused(service: string, issues: PayloadIssue[]): ThreadplaneError {
  const errors = issues.map(({ pointer, message }) => ({ pointer: `/config${pointer}`, message }))
  const text = errors.map(({ pointer, message }) => `${pointer.slice(1).replaceAll('/', '.')}: ${message}`).join('; ')
  const error = new ThreadplaneError('VALIDATION_FAILED', `the config of ${service} was refused: ${text}`, {
    service,
    errors,
  })
  markUnloadable(error)
  return error
}
