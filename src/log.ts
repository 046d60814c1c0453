/** The logger of a process, and the message of a process that cannot start. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { ThreadplaneError, toWireError } from './contract/errors.ts'

export function createLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  const options = { level: logLevel, serializers: { err: serializeError } }
  if (process.stdout.isTTY) {
    return pino({ ...options, transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } })
  }
  // Without a minimum length, pino's `flush` does not wait for a write that is under way.
  return pino(options, pino.destination({ sync: false, minLength: 1 }))
}

/** Leaves out the stack of a ThreadplaneError, which says nothing to an operator. The stack of its cause is logged. */
function serializeError(error: unknown): object {
  const { facts: _facts, stack, ...shown } = toWireError(error)
  return error instanceof ThreadplaneError || stack === undefined ? shown : { ...shown, stack }
}

/** Prints the message of the error without its stack, and exits with code 1. There may be no logger yet. */
export function endWithMessage(error: unknown): never {
  const { message, cause } = error as Error
  console.error(`threadplane: ${message}${cause instanceof Error ? `\n  because: ${cause.message}` : ''}`)
  process.exit(1)
}
