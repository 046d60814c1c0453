/**
 * `MethodProblem`: with it, a method answers that the request cannot be fulfilled, such as "not found". Any other error
 * that a method throws is a failure of the method, and is answered with 500.
 */
import { z } from 'zod'
import { codeOfProblem } from '../contract/description.ts'
import type { MethodRefusal, PayloadIssue } from '../contract/errors.ts'

/** Recognises the error also where the module has its own copy of this package. */
const PROBLEM = Symbol.for('threadplane.problem')
const MAX_ISSUES = 50
const MAX_TEXT = 16_384
const TOO_MANY_REQUESTS = 429

export interface MethodProblemOptions {
  /** For programs, such as `DOCUMENT_NOT_FOUND`: letters, digits and `_ . -`, at most 100. */
  code?: string
  /** The refused parts of the payload, at most 50. */
  errors?: PayloadIssue[]
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number
  /** Can the same request succeed later? Default: only with the status 429. */
  retryable?: boolean
  cause?: unknown
}

const A_STATUS = 'expected a status from 400 to 499; for a failure of the method, throw an Error'
const statusSchema = z.int(A_STATUS).min(400, A_STATUS).max(499, A_STATUS)

const refusalSchema = z.object({
  status: statusSchema,
  message: z.string().transform((text) => text.slice(0, MAX_TEXT)),
  code: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,100}$/, 'expected 1 to 100 letters, digits, "_", "." and "-"')
    .optional(),
  errors: z
    .array(z.object({ pointer: z.string().max(1_000), message: z.string().max(1_000) }))
    .max(MAX_ISSUES)
    .optional(),
  retryAfterSeconds: z.int().min(0).max(86_400).optional(),
  retryable: z.boolean().optional(),
})

/** The problems that a method declares, for the OpenAPI document and for the titles of its answers. */
export const problemsSchema = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,99}$/, 'expected a name such as documentNotFound'),
  z.strictObject({ status: statusSchema, title: z.string().min(1).max(200) }),
)
export type Problems = z.infer<typeof problemsSchema>

export class MethodProblem extends Error {
  override readonly name = 'MethodProblem'
  readonly [PROBLEM] = true
  readonly status: number
  readonly code: string | undefined
  readonly errors: PayloadIssue[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly retryable: boolean

  /**
   * @param status 400 to 499
   * @param message what is wrong and what to do about it: the `detail` of the answer
   * @throws TypeError if an argument is not of this form
   */
  constructor(status: number, message: string, options: MethodProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const { code, errors, retryAfterSeconds, retryable = status === TOO_MANY_REQUESTS } = options
    this.status = status
    this.code = code
    this.errors = errors
    this.retryAfterSeconds = retryAfterSeconds
    this.retryable = retryable
    const { error } = refusalSchema.safeParse(this)
    const [issue] = error?.issues ?? []
    if (issue !== undefined) throw new TypeError(`MethodProblem: ${issue.path.join('.')}: ${issue.message}`)
  }
}

/**
 * What a thrown `MethodProblem` answers; `undefined` for any other error. The members are checked again: the class may
 * come from another version of this package, and a handler can change them.
 */
export function refusalOf(thrown: unknown, declared: Problems = {}): MethodRefusal | undefined {
  try {
    if ((thrown as { [PROBLEM]?: unknown } | null | undefined)?.[PROBLEM] !== true) return undefined
    const { data } = refusalSchema.safeParse(thrown)
    if (data === undefined) return undefined
    const { status, message, code: reason, errors, retryAfterSeconds, retryable = status === TOO_MANY_REQUESTS } = data
    const title = Object.entries(declared).find(([name]) => reason === codeOfProblem(name))?.[1].title
    return {
      status,
      message,
      retryable,
      ...(reason !== undefined && { reason }),
      ...(title !== undefined && { title }),
      ...(errors !== undefined && { errors }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }
  } catch {
    // A proxy or a getter that throws.
    return undefined
  }
}
