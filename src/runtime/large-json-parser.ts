/**
 * JSON so large that the control thread has left it as it came. What that would have refused is refused here, by the
 * same look, which ends at the first thing that is wrong: zod would collect an issue for each of millions.
 */
import type { ServiceDescription } from '../contract/description.ts'
import { toWireError } from '../contract/errors.ts'
import { parseJson, textOf } from '../payload/parse-json.ts'
import { PayloadValidator } from '../payload/validator.ts'
import type { JsonBytes, MethodFailure } from '../protocol/messages.ts'
import { releaseBuffers } from '../payload/release-buffers.ts'

type Read = { ok: true; payload: unknown } | { ok: false; failure: MethodFailure }

export class LargeJson {
  readonly #methods: ServiceDescription['methods']
  readonly #validators = new Map<string, PayloadValidator>()

  constructor({ methods }: ServiceDescription) {
    this.#methods = methods
  }

  read(method: string, { json }: JsonBytes): Read {
    let payload: unknown
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
