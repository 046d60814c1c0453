/** What the errors of PostgreSQL and of its connections mean for the store. */
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'

/**
 * SQLSTATEs, or their beginnings, after which the connection or the server cannot be used. 08: connection exceptions;
 * 25006: a server that may only read, such as a standby; 28 and 3D000: the login or the database is refused; 53: too many
 * connections, no memory, a full disk; 57P: the server ends, starts or was ended; 58: input/output errors.
 */
const OUTAGES = ['08', '25006', '28', '3D000', '53', '57P', '58', 'XX001', 'XX002']
/** The database has undone the statement because it took too long: by its deadline, or in a wait for a lock. */
const TOO_SLOW = new Set(['57014', '55P03'])
/** Two transactions waited for each other, and this one was undone: the same statement succeeds when it is repeated. */
const UNDONE = new Set(['40P01', '40001'])

const SQLSTATE = /^[0-9A-Z]{5}$/
/** Codes of the operating system, such as ECONNREFUSED. */
const SYSTEM_CODE = /^E[A-Z]+$/
/** Errors of the driver, which have no code. */
const OF_THE_DRIVER = /connection|terminated|timeout|not queryable|client was closed/i

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/**
 * The database cannot be reached or used. Whether it has done what it was asked for is not known: the answer may have been
 * lost.
 */
export function isOutage(error: unknown): boolean {
  const code = codeOf(error)
  if (code === undefined) return error instanceof Error && OF_THE_DRIVER.test(error.message)
  if (SYSTEM_CODE.test(code) && !SQLSTATE.test(code)) return true
  if (code === 'EPIPE') return true
  return SQLSTATE.test(code) && OUTAGES.some((each) => code.startsWith(each))
}

/** The database has answered, and does nothing any more. */
export function isAnswer(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && SQLSTATE.test(code) && !SYSTEM_CODE.test(code)
}

export function isTooSlow(error: unknown): boolean {
  return TOO_SLOW.has(codeOf(error) ?? '')
}

export function isUndone(error: unknown): boolean {
  return UNDONE.has(codeOf(error) ?? '')
}

/** For the clients: no statement, no address and no name of a user. */
export function whyUnavailable(error: unknown): string {
  const code = codeOf(error) ?? ''
  if (code.startsWith('57P')) return 'the database is starting or shutting down'
  if (code === '25006') return 'the database can only be read'
  if (code.startsWith('28') || code === '3D000') return 'the database refuses the login'
  if (code === '53300') return 'the database has no free connection'
  if (code === '53100') return 'the disk of the database is full'
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH' || code === 'EAI_AGAIN')
    return 'the database cannot be reached'
  if (isTooSlow(error)) return 'the database takes too long'
  if (error instanceof Error && /timeout|does not answer/i.test(error.message)) return 'the database does not answer'
  return 'the connection to the database is lost'
}

export function unavailable(why: string, cause?: unknown): ThreadplaneError {
  return new ThreadplaneError('JOURNAL_UNAVAILABLE', why, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
}

/** The answer to a change was lost: it may have been made all the same. */
export class AnswerLost extends ThreadplaneError {
  constructor(why: string, cause?: unknown) {
    super('JOURNAL_UNAVAILABLE', why, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}
