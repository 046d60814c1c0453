/** What an error says to the person, and its exit code. */
import { JobFailedError, PlaneError } from '../client/index.ts'
import type { ErrorCode } from '../contract/errors.ts'
import { CliError, EXIT, EXIT_OF_CODE, type Exit } from './exit-codes.ts'
import { nearest } from './methods.ts'
import { manyLines } from './output/style.ts'
import { shortTime } from './output/units.ts'
import { route, type Session } from './session.ts'

interface Told {
  exit: Exit
  /** For standard error. */
  text: string
}

/** @param isInterrupted the person has pressed Ctrl-C, so the error is a consequence of that */
export async function tellError(error: unknown, session: Session | undefined, isInterrupted: boolean): Promise<Told> {
  if (error instanceof CliError) return told(error.exit, error.message)
  if (isInterrupted) return { exit: EXIT.interrupted, text: '' }
  if (error instanceof PlaneError) return told(exitOf(error), await textOf(error, session))
  return told(EXIT.failed, error instanceof Error ? error.message : String(error))
}

function told(exit: Exit, message: string): Told {
  return { exit, text: exit === EXIT.interrupted ? `${message}\n` : `error: ${manyLines(message)}\n` }
}

/** The exit code of an error of the client. */
function exitOf(error: PlaneError): Exit {
  const { status, code } = error
  if (error instanceof JobFailedError) return EXIT.failed
  if (Object.hasOwn(EXIT_OF_CODE, code)) return EXIT_OF_CODE[code as ErrorCode]
  if (code === 'TIMED_OUT' || status === 504) return EXIT.timedOut
  if (status === 401 || status === 403) return EXIT.forbidden
  if (status === 429 || status === 503) return EXIT.tryLater
  return status === 0 || status === 502 ? EXIT.unreachable : EXIT.failed
}

async function textOf(error: PlaneError, session: Session | undefined): Promise<string> {
  const { code, reason, errors = [], retryAfterMs } = error
  if (error instanceof JobFailedError) {
    const { id, state } = error.job
    return `the job ${id} is ${state}: ${error.detail} (${reason ?? code})${issues(errors)}`
  }
  if (code === 'METHOD_NOT_FOUND' || code === 'SERVICE_NOT_FOUND') return unknownName(error, session)
  const hints: Partial<Record<string, string>> = {
    UNAUTHORIZED: '\nGive a token with --token, THREADPLANE_TOKEN or threadplane context set.',
    UNREACHABLE: '\nIs it running? threadplane serve starts a server; --url names another one.',
  }
  const later =
    retryAfterMs === undefined || code === 'SERVICE_NOT_RUNNING' ? '' : `; try again in ${shortTime(retryAfterMs)}`
  const codes = reason === undefined ? code : `${code}, ${reason}`
  return `${error.detail} (${codes})${later}${issues(errors)}${hints[code] ?? ''}`
}

function issues(errors: NonNullable<PlaneError['errors']>): string {
  return errors.map(({ pointer, message }) => `\n  ${pointer || 'the payload'}: ${message}`).join('')
}

/** With the name that the person may have meant. */
async function unknownName({ code, detail, service, method }: PlaneError, session: Session | undefined) {
  const isMethod = code === 'METHOD_NOT_FOUND'
  const wanted = isMethod ? method : service
  const told = `${detail} (${code})`
  if (service === undefined || wanted === undefined) return told
  const path = isMethod ? route`/v1/services/${service}/methods` : '/v1/services'
  const names = await session
    ?.get<{ items: { name: string }[] }>(path)
    .then(({ body }) => body.items.map(({ name }) => name))
    .catch(() => [])
  // A token that may not list them.
  if (names === undefined || names.length === 0) return told
  const what = isMethod ? `${service} has no method ${wanted}` : `there is no service ${wanted}`
  return `${what} (${code})${nearest(wanted, names)}`
}
