/**
 * Checks what a service's thread or process posts, before the control thread uses it. A module can post anything: its
 * copy of `postMessage` need not be the one that `guard-parent-port.ts` replaces. A message that is not of the form
 * that `messages.ts` or `process-messages.ts` describes ends its sender, and nothing else (P4). Pure.
 *
 * Written by hand and not with zod: every result passes here.
 */
import { isServiceDescription } from '../contract/description-schema.ts'
import { LOG_LEVELS } from '../contract/log.ts'

/** Longest text and longest fields of a log line, in characters: a thread cuts them far below. */
const MAX_LOG_CHARS = 65_536
/** Longest note of a progress: a thread cuts it below. */
const MAX_NOTE_CHARS = 1_000
/** Errors within one error. A thread sends fewer. */
const MAX_INNER_ERRORS = 64

type Members = Record<string, unknown>

const LEVELS: ReadonlySet<unknown> = new Set(LOG_LEVELS)

/** A result or an item of a stream. @throws TypeError that names what is wrong */
export function checkTuple(wire: readonly unknown[]): void {
  const { length } = wire
  if (length !== 4 && length !== 5) refuse('a tuple of the wrong length')
  if (!isIndex(wire[0]) || !isIndex(wire[1])) refuse('a result for no method')
  if (!isIndex(wire[3])) refuse('a result of a method that ran for no time')
  if (length === 5 && !isSize(wire[4])) refuse('an item of a stream without its size')
}

/** Any other message of a service's thread. @throws TypeError that names what is wrong */
export function checkThreadMessage(message: unknown): void {
  if (!isObject(message)) refuse('something that is no message')
  switch (message.type) {
    case 'described':
      return check(isServiceDescription(message.description), 'a description of the wrong form')
    case 'started':
      return
    case 'failure':
      return check(
        isOfMethod(message) && isIndex(message.ranUs) && isFailure(message.failure),
        'a failure of the wrong form',
      )
    case 'progress':
      return check(
        isOfMethod(message) && isFraction(message.fraction) && isOptionalText(message.note, MAX_NOTE_CHARS),
        'a progress of the wrong form',
      )
    case 'log':
      return check(isLogLine(message), 'a log line of the wrong form')
    case 'crashed':
      return check(isError(message.error), 'an error of the wrong form')
    case 'stopped':
      return check(message.error === undefined || isError(message.error), 'an error of the wrong form')
    default:
      refuse('a message of an unknown type')
  }
}

/** A message of a service's process that is not for the session of its thread. @throws TypeError that names what is wrong */
export function checkProcessMessage(message: unknown): void {
  if (!isObject(message)) refuse('something that is no message')
  switch (message.type) {
    case 'report': {
      const { idle, active, utilization } = isObject(message.utilization) ? message.utilization : {}
      // Any numbers: of a thread that is about to end, Node reports some that are not finite.
      const numbers = [message.beats, message.heapUsedBytes, idle, active, utilization]
      return check(
        numbers.every((value) => typeof value === 'number'),
        'a report of the wrong form',
      )
    }
    case 'error':
      return check(isError(message.error), 'an error of the wrong form')
    case 'ended':
      return check(Number.isInteger(message.exitCode), 'an end without an exit code')
    case 'stack':
      return check(isStack(message.stack), 'a stack of the wrong form')
    case 'profiled':
      return check(isIndex(message.id) && isProfileOutcome(message.outcome), 'a profile of the wrong form')
    default:
      refuse('a message of an unknown type')
  }
}

/** The value of a result or an item, if the method was not called with `clone`: JSON text, bytes, or nothing. */
export function checkEncodedValue(value: unknown): void {
  if (typeof value === 'string' || value === undefined || value instanceof Uint8Array) return
  refuse('a result that is neither JSON text nor bytes')
}

function refuse(what: string): never {
  throw new TypeError(`it posted ${what}`)
}

function check(isRight: boolean, what: string): void {
  if (!isRight) refuse(what)
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isIndex(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0
}

function isSize(value: unknown): boolean {
  return Number.isFinite(value) && (value as number) >= 0
}

function isFraction(value: unknown): boolean {
  return isSize(value) && (value as number) <= 1
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isOptionalText(value: unknown, maxChars = Number.POSITIVE_INFINITY): boolean {
  return value === undefined || (isText(value) && value.length <= maxChars)
}

function isOfMethod(message: Members): boolean {
  return isIndex(message.slot) && isIndex(message.sequence)
}

function isLogLine({ level, message, fields, dropped, of }: Members): boolean {
  return (
    LEVELS.has(level) &&
    isText(message) &&
    message.length <= MAX_LOG_CHARS &&
    isOptionalText(fields, MAX_LOG_CHARS) &&
    (dropped === undefined || isIndex(dropped)) &&
    (of === undefined || isLogOrigin(of))
  )
}

function isLogOrigin(of: unknown): boolean {
  return isObject(of) && isText(of.jobId) && isText(of.method) && isIndex(of.attempt) && isOptionalText(of.traceId)
}

function isFailure(failure: unknown): boolean {
  if (!isObject(failure)) return false
  switch (failure.kind) {
    case 'threw':
      return isError(failure.error) && typeof failure.retryable === 'boolean'
    case 'problem':
      return isRefusal(failure.problem)
    case 'noSuchMethod':
      return true
    case 'malformed':
    case 'notSerializable':
      return isText(failure.detail)
    case 'refused':
    case 'resultRefused':
      return areIssues(failure.issues)
    default:
      return false
  }
}

function isRefusal(problem: unknown): boolean {
  if (!isObject(problem)) return false
  const { status, message, reason, title, errors, retryable, retryAfterSeconds } = problem
  return (
    isIndex(status) &&
    (status as number) >= 400 &&
    (status as number) <= 499 &&
    isText(message) &&
    isOptionalText(reason) &&
    isOptionalText(title) &&
    (errors === undefined || areIssues(errors)) &&
    typeof retryable === 'boolean' &&
    (retryAfterSeconds === undefined || isSize(retryAfterSeconds))
  )
}

function areIssues(issues: unknown): boolean {
  return Array.isArray(issues) && issues.every((one) => isObject(one) && isText(one.pointer) && isText(one.message))
}

/** Walks the causes and inner errors with a list, as their depth is the sender's choice. */
function isError(error: unknown): boolean {
  const open = [error]
  for (let seen = 0; open.length > 0; seen += 1) {
    const one = open.pop()
    if (seen > MAX_INNER_ERRORS || !isObject(one)) return false
    if (!isText(one.name) || !isText(one.message)) return false
    if (!isOptionalText(one.code) || !isOptionalText(one.stack)) return false
    if (one.facts !== undefined && !isFacts(one.facts)) return false
    if (one.cause !== undefined) open.push(one.cause)
    if (one.errors === undefined) continue
    if (!Array.isArray(one.errors) || one.errors.length > MAX_INNER_ERRORS) return false
    open.push(...one.errors)
  }
  return true
}

function isFacts(facts: unknown): boolean {
  if (!isObject(facts)) return false
  const { errors, status, retryAfterSeconds, service, method, jobId, reason, title } = facts
  return (
    (errors === undefined || areIssues(errors)) &&
    (status === undefined || (isIndex(status) && (status as number) >= 400 && (status as number) <= 599)) &&
    (retryAfterSeconds === undefined || isSize(retryAfterSeconds)) &&
    [service, method, jobId, reason, title].every((text) => isOptionalText(text))
  )
}

function isProfileOutcome(outcome: unknown): boolean {
  if (!isObject(outcome)) return false
  const { kind, why } = outcome
  return kind === 'failed' ? isText(why) : kind === 'done' || kind === 'blocked-native' || kind === 'gone'
}

function isStack(stack: unknown): boolean {
  return stack === undefined || isObject(stack)
}
