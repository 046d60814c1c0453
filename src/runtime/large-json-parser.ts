/**
 * Parses and validates JSON that is too large for the control thread, which passes it on as bytes. The payload is
 * checked with the same validator that the control thread uses for smaller ones. The validator stops at the first
 * issue; the module's own zod schema, which comes next, would collect an issue for each of millions of wrong elements.
 */
import type { ServiceDescription } from '../contract/description.ts'
import { toWireError } from '../contract/errors.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'
import { releaseBuffers } from '../payload/release-buffers.ts'
import { returnMemoryLater } from '../payload/return-memory.ts'
import { PayloadValidator } from '../payload/validator.ts'
import type { JsonBytes, MethodFailure } from '../protocol/messages.ts'

type Outcome = { ok: true; payload: unknown } | { ok: false; failure: MethodFailure }

export class LargeJsonParser {
  readonly #methods: ServiceDescription['methods']
  readonly #validators = new Map<string, PayloadValidator>()

  constructor({ methods }: ServiceDescription) {
    this.#methods = methods
  }

  parse(method: string, { json }: JsonBytes): Outcome {
    let payload: unknown
    returnMemoryLater(json.byteLength)
    try {
      const text = textOf(json)
      releaseBuffers([json])
      payload = parseJson(text)
    } catch (error) {
      return { ok: false, failure: { kind: 'malformed', detail: toWireError(error).message } }
    }
    const issues = this.#validatorOf(method)?.validate(payload)
    return issues === undefined ? { ok: true, payload } : { ok: false, failure: { kind: 'refused', issues } }
  }

  #validatorOf(method: string): PayloadValidator | undefined {
    let validator = this.#validators.get(method)
    const description = this.#methods[method]
    if (validator === undefined && description !== undefined) {
      validator = new PayloadValidator(description)
      this.#validators.set(method, validator)
    }
    return validator
  }
}
