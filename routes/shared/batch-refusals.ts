/**
 * The problem documents of the lines of a batch that are refused. A batch may have many lines, and each refusal repeats
 * texts that the client chose: the URL, and pointers into the payload. So their sum has a limit in bytes (P5).
 */
import type { ThreadplaneError } from '../../src/contract/errors.ts'
import type { Problem } from '../../src/http/problem-document.ts'

const MAX_REFUSALS_BYTES = 4 * 1_024 * 1_024
/** Longest `detail` and `instance` of a line. */
const MAX_LINE_CHARS = 500
/** Longest ones once the sum is reached. */
const MAX_SHORT_CHARS = 100

const LEFT_OUT = 'this batch has too many refusals to show the errors of each: send the line again alone to see them'

export class BatchRefusals {
  readonly #problemOf: (error: ThreadplaneError) => Problem
  #bytes = 0

  constructor(problemOf: (error: ThreadplaneError) => Problem) {
    this.#problemOf = problemOf
  }

  /** The problem of the next refused line. Without `errors`, once the sum is reached: then so for all later lines. */
  next(error: ThreadplaneError): Problem {
    const problem = withTextsUpTo(MAX_LINE_CHARS, this.#problemOf(error))
    if (this.#bytes <= MAX_REFUSALS_BYTES) this.#bytes += Buffer.byteLength(JSON.stringify(problem))
    if (this.#bytes <= MAX_REFUSALS_BYTES) return problem
    const { errors: _errors, ...rest } = withTextsUpTo(MAX_SHORT_CHARS, problem)
    return { ...rest, detail: `${rest.detail}; ${LEFT_OUT}` }
  }
}

function withTextsUpTo(most: number, problem: Problem): Problem {
  return { ...problem, detail: cut(problem.detail, most), instance: cut(problem.instance, most) }
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text
}
