/** How a process of threadplane speaks: its log, and the last word of one that cannot start. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { ThreadplaneError, toWireError } from './contract/errors.ts'

export function createLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  const pretty = process.stdout.isTTY && { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } }
  return pino({ level: logLevel, serializers: { err: serializeError }, ...pretty })
}

/** Of an error of our own the stack tells nothing; of what it was caused by, it tells all. */
function serializeError(error: unknown): object {
  const { facts: _facts, stack, ...shown } = toWireError(error)
  return error instanceof ThreadplaneError || stack === undefined ? shown : { ...shown, stack }
}

/** Ends a process that cannot start. There may be no log yet, and a stack would tell its reader nothing. */
export function endWithMessage(error: unknown): never {
  const { message, cause } = error as Error
  console.error(`threadplane: ${message}${cause instanceof Error ? `\n  because: ${cause.message}` : ''}`)
  process.exit(1)
}
