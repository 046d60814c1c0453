/** Whether a value is the description of a service: it may come from a file, or from a thread, which can send anything. */
import { z } from 'zod'
import type { ServiceDescription } from './description.ts'
import { methodOptionsSchema, serviceOptionsSchema } from './options.ts'

/** Made when it is first needed: `threadplane` is loaded in each thread of a service, and no thread needs it. */
let descriptionSchema: z.ZodType | undefined

function makeDescriptionSchema(): z.ZodType {
  const jsonSchema = z.record(z.string(), z.unknown()).optional()
  const bytesSchema = z.object({ types: z.array(z.string()), maxBytes: z.number().optional() }).optional()
  return z.object({
    description: z.string().optional(),
    options: serviceOptionsSchema,
    config: jsonSchema,
    methods: z.record(
      z.string(),
      z.object({
        description: z.string().optional(),
        input: jsonSchema,
        widenedInput: jsonSchema,
        output: jsonSchema,
        streams: z.literal(true).optional(),
        inputBytes: bytesSchema,
        outputBytes: bytesSchema,
        problems: z.record(z.string(), z.object({ status: z.number(), title: z.string() })).optional(),
        options: methodOptionsSchema.required(),
      }),
    ),
  })
}

/** The value itself counts, not what zod makes of it: a record of zod has no member `__proto__`. */
export function isServiceDescription(value: unknown): value is ServiceDescription {
  descriptionSchema ??= makeDescriptionSchema()
  return descriptionSchema.safeParse(value).success
}
