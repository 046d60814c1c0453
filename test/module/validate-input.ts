/**
 * What the control thread does with the input schema of a method, for tests that need no service: describe and
 * validate.
 */
import type { z } from 'zod'
import type { MethodDescription, ServiceDescription } from '../../src/contract/description.ts'
import type { PayloadIssue } from '../../src/contract/errors.ts'
import { defineService } from '../../src/module/define-service.ts'
import { describeService } from '../../src/module/describe-service.ts'
import { PayloadValidator } from '../../src/payload/validator.ts'

export const describe = (spec: object): ServiceDescription => describeService(defineService(spec as never))

/** The description of a method with this input schema. */
export const describeInput = (input: unknown): MethodDescription => {
  const { methods } = describe({ methods: { method: { input, handler: () => null } } })
  return methods.method as MethodDescription
}

/** Validates payloads as the control thread does: the description of the schema reaches it as JSON. */
export const validatorOf = (schema: z.ZodType): ((payload: unknown) => PayloadIssue[] | undefined) => {
  const validator = new PayloadValidator(JSON.parse(JSON.stringify(describeInput(schema))))
  return (payload) => validator.validate(payload)
}

/** True if the original schema accepts a payload. */
export const accepts = (schema: z.ZodType, payload: unknown): boolean => {
  try {
    return schema.safeParse(payload).success
  } catch {
    return false
  }
}
