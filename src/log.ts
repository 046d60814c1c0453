/** The logger of a process, and the message of a process that cannot start. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { ThreadplaneError, toWireError } from './contract/errors.ts'

/** Bytes of lines that wait for the reader of standard output. Further lines are dropped and counted. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
/** How long the process stands still for the reader of its log, at its exit or after a line of level `fatal`. */
const FLUSH_SYNC_WITHIN_MS = 500
const TELL_LOST_EVERY_MS = 1_000

export function createLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  const options = { level: logLevel, serializers: { err: serializeError } }
  if (process.stdout.isTTY) {
    return pino({ ...options, transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } })
  }
  const destination = boundedDestination()
  const log = pino(options, destination)
  tellLostLines(log, destination)
  return log
}

/**
 * The log of a server under development: readable text, also where standard output is no terminal. A line is written before
 * the call returns, so it stands in order with what else the process prints.
 */
export async function createReadableLogger({ logLevel }: Pick<Config, 'logLevel'>, colours: boolean): Promise<Logger> {
  const { default: pretty } = await import('pino-pretty')
  const stream = pretty({
    colorize: colours,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,service,method,thread,jobId,attempt,traceId,trace_id',
    customPrettifiers: { time: (time) => time as string },
    messageFormat: ({ service, method, msg }) => {
      const of = [service, method].filter((name) => typeof name === 'string').join('.')
      return of === '' ? String(msg) : `${of}: ${String(msg)}`
    },
  })
  return pino({ level: logLevel, serializers: { err: serializeError } }, stream)
}

type Destination = ReturnType<typeof pino.destination>

/** Standard output. Its reader may be slow, or read nothing: then lines wait here, up to a limit, and no exit waits. */
function boundedDestination(): Destination {
  let giveUpAt = Number.POSITIVE_INFINITY
  const options = {
    sync: false,
    // Without a minimum length, pino's `flush` does not wait for a write that is under way.
    minLength: 1,
    maxLength: MAX_WAITING_BYTES,
    retryEAGAIN: () => performance.now() < giveUpAt,
  }
  const destination: Destination = pino.destination(options)
  // pino calls this at the exit, and after a line of level `fatal`. It would wait for the reader for ever.
  const flushSync = destination.flushSync.bind(destination)
  destination.flushSync = () => {
    giveUpAt = performance.now() + FLUSH_SYNC_WITHIN_MS
    try {
      flushSync()
    } catch {
      // The reader does not read: the lines that are left are lost if this is the exit.
    } finally {
      giveUpAt = Number.POSITIVE_INFINITY
    }
  }
  return destination
}

/** Logs how many lines were lost, once lines can be written again. */
function tellLostLines(log: Logger, destination: Destination): void {
  let lost = 0
  let toldAt = Number.NEGATIVE_INFINITY
  destination.on('drop', () => {
    lost += 1
  })
  const tell = () => {
    const count = lost
    lost = 0
    toldAt = performance.now()
    log.warn({ lost: count }, `${count} lines of the log were lost: its reader was too slow`)
    // This line may be lost too.
    if (lost > 0) lost = count
  }
  destination.on('write', () => {
    if (lost > 0 && performance.now() - toldAt > TELL_LOST_EVERY_MS) process.nextTick(tell)
  })
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
