/** Log levels, and the interface of the logger that services and the server use. */
import type { Logger } from 'pino'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A subset of pino: any pino logger fits. */
export type ServiceLog = Pick<Logger, LogLevel> & {
  /** Counts lines that were dropped before they came here; a line of their number comes as any other. */
  countDropped?: (service: string, lines: number) => void
}
