/** Which exit code an error has: what scripts rely on. `docs/cli.md` shows the table. */
import type { ErrorCode } from '../contract/errors.ts'

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  notFound: 4,
  forbidden: 5,
  refused: 6,
  unreachable: 7,
  timedOut: 8,
  conflict: 9,
  tryLater: 75,
  interrupted: 130,
} as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** What each exit code says. */
export const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  done: 'done',
  failed: 'the method, the job or the start has failed',
  usage: 'the command is not correct, or needs `-y`',
  notRunning: 'the service does not run',
  notFound: 'there is no such service, method, job, schedule or node',
  forbidden: 'the token is missing or wrong, or does not allow it (401, 403)',
  refused: 'the payload was refused',
  unreachable: 'the server cannot be reached',
  timedOut: 'the time is over',
  conflict: 'not possible in the present state (409)',
  tryLater: 'try again later (429, 503)',
  interrupted: 'interrupted by Ctrl-C',
}

/** Codes of problem documents → exit codes. A method may refuse with any status, so the code goes before the status. */
export const EXIT_OF_CODE: Record<ErrorCode, Exit> = {
  MALFORMED_BODY: EXIT.refused,
  MALFORMED_HEADER: EXIT.usage,
  MALFORMED_QUERY: EXIT.usage,
  UNAUTHORIZED: EXIT.forbidden,
  FORBIDDEN: EXIT.forbidden,
  ROUTE_NOT_FOUND: EXIT.notFound,
  SERVICE_NOT_FOUND: EXIT.notFound,
  METHOD_NOT_FOUND: EXIT.notFound,
  JOB_NOT_FOUND: EXIT.notFound,
  SCHEDULE_NOT_FOUND: EXIT.notFound,
  NODE_NOT_FOUND: EXIT.notFound,
  METHOD_NOT_ALLOWED: EXIT.notFound,
  REQUEST_TIMEOUT: EXIT.timedOut,
  ALREADY_STARTED: EXIT.conflict,
  CONFLICT: EXIT.conflict,
  JOB_CANCELLED: EXIT.conflict,
  JOB_EXPIRED: EXIT.conflict,
  PRECONDITION_FAILED: EXIT.conflict,
  PAYLOAD_TOO_LARGE: EXIT.refused,
  UNSUPPORTED_MEDIA_TYPE: EXIT.refused,
  RANGE_NOT_SATISFIABLE: EXIT.usage,
  VALIDATION_FAILED: EXIT.refused,
  MODULE_REFUSED: EXIT.refused,
  IDEMPOTENCY_MISMATCH: EXIT.refused,
  METHOD_REFUSED: EXIT.refused,
  QUOTA_EXCEEDED: EXIT.tryLater,
  METHOD_FAILED: EXIT.failed,
  RESULT_NOT_SERIALIZABLE: EXIT.failed,
  RESULT_INVALID: EXIT.failed,
  START_FAILED: EXIT.failed,
  INTERNAL: EXIT.failed,
  THREAD_DIED: EXIT.failed,
  SERVICE_NOT_RUNNING: EXIT.notRunning,
  QUEUE_FULL: EXIT.tryLater,
  TOO_MANY_CONNECTIONS: EXIT.tryLater,
  TOO_MANY_BODIES: EXIT.tryLater,
  TOO_MANY_STREAMS: EXIT.tryLater,
  NODE_UNREACHABLE: EXIT.tryLater,
  SHUTTING_DOWN: EXIT.tryLater,
  JOURNAL_UNAVAILABLE: EXIT.tryLater,
  DEADLINE_EXCEEDED: EXIT.timedOut,
}

/** An error of the command line itself, with its exit code. */
export class CliError extends Error {
  readonly exit: Exit

  constructor(exit: Exit, message: string) {
    super(message)
    this.exit = exit
  }
}

/** The command is not correct. */
export class UsageError extends CliError {
  constructor(message: string) {
    super(EXIT.usage, message)
  }
}
