/**
 * Runs a method of a bundled service module without a thread: parses the payload, runs the handler, parses the result.
 */
import type { MethodContext, MethodDefinition, ServiceLogger } from 'threadplane'
import type { z } from 'zod'

const silent = () => {}
const logger: ServiceLogger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, fatal: silent }

export async function runMethod<Input extends z.ZodType, Output extends z.ZodType>(
  method: MethodDefinition<Input, Output>,
  payload: z.input<Input>,
  context: Partial<MethodContext> = {},
): Promise<z.output<Output>> {
  const result = await method.handler(required(method.input).parse(payload), {
    signal: new AbortController().signal,
    logger,
    progress: silent,
    job: { id: 'test', attempt: 1 },
    state: undefined,
    config: undefined,
    ...context,
  })
  return required(method.output).parse(result)
}

/** The issues of a payload that the input schema of a method refuses; none if it accepts the payload. */
export function issuesOf(method: MethodDefinition, payload: unknown): { path: string; message: string }[] {
  const { error } = required(method.input).safeParse(payload)
  return (error?.issues ?? []).map(({ path, message }) => ({ path: path.join('/'), message }))
}

function required<Schema>(schema: Schema | undefined): Schema {
  if (schema === undefined) throw new Error('Every bundled method has an input and an output')
  return schema
}
