/**
 * The log of a service that was given none: crashes, errors and warnings, on stderr. Source: mode/threads.py
 * ServiceThread.on_crash
 */
import type { ServiceLog } from '../contract/log.ts'

function write(fields: { err?: unknown }, message?: string): void {
  const { err, ...others } = fields
  console.error(...[message, others, err].filter((part) => part !== undefined))
}

const ignore = () => {}

export const stderrLog = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: write,
  error: write,
  fatal: write,
} as ServiceLog
