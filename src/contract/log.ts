/** Log levels, and the part of a logger that services and the server use. */
import type { Logger } from 'pino'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** The part of pino that is used: any pino logger fits. */
export type ServiceLog = Pick<Logger, LogLevel>
