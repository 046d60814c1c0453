/** Durations and numbers of options, such as `--timeout 30s`. */
import ms from 'ms'
import { UsageError } from '../exit-codes.ts'

const DURATION = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d)$/

/** Milliseconds. @throws UsageError */
export function durationMs(option: string, text: string): number {
  const value = DURATION.test(text) ? ms(text as ms.StringValue) : 0
  if (value >= 1) return Math.round(value)
  throw new UsageError(`${option} is ${JSON.stringify(text)}: it must be a duration, such as 500ms, 30s or 2h`)
}

/** A whole number of an option. @throws UsageError */
export function wholeNumber(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`${option} is ${JSON.stringify(text)}: it must be a whole number`)
}
