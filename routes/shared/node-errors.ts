/** The error that another node answered with, as an error of this request. */
import { type ErrorCode, ERRORS, RETRY_AFTER_SECONDS, ThreadplaneError } from '../../src/contract/errors.ts'
import type { NodeAnswer } from '../../src/cluster/plane.ts'

interface Problem {
  code?: string
  detail?: string
  service?: string
  errors?: { pointer: string; message: string }[]
}

/** @param more what else is to be said in the detail */
export function errorOf({ peer, text }: NodeAnswer, more = ''): ThreadplaneError {
  const { code = '', detail = '', service, errors } = problemIn(text)
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL'
  return new ThreadplaneError(known, `the node ${peer.name}: ${detail}${more}`, {
    ...(service !== undefined && { service }),
    ...(errors !== undefined && { errors }),
    ...((ERRORS[known].status as number) === 503 && { retryAfterSeconds: RETRY_AFTER_SECONDS }),
  })
}

function problemIn(text: string): Problem {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return {}
  }
}
