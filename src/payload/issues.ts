/**
 * Turns a zod error into the issues of a refused payload: RFC 6901 pointers with messages. Pure.
 *
 * Of a union, only the issues of the branch that is closest to the payload are reported. The number and length of
 * issues are limited (P5), and so is the work: the branches of nested unions share lists of zod issues, and each list
 * is visited once. Without that, recursive unions would take exponential time.
 */
import type { z } from 'zod'
import type { PayloadIssue } from '../contract/errors.ts'

const MAX_ISSUES = 50
const MAX_MESSAGE_LENGTH = 500
const MAX_LENGTH = 65_536

type Path = readonly PropertyKey[]

interface Finding {
  path: Path
  message: string
  /** The expected type or literal, if the value has another one. */
  expected?: string
  /** True if exactly one value was expected, as for the tag of a discriminated union. */
  tag?: boolean
}

export function payloadIssues(error: Pick<z.core.$ZodError, 'issues'>): PayloadIssue[] {
  const issues: PayloadIssue[] = []
  let length = 0
  for (const { path, message } of findings(error.issues, new Map())) {
    const issue = { pointer: jsonPointer(path), message: shortened(message) }
    if (issues.some(({ pointer, message }) => pointer === issue.pointer && message === issue.message)) continue
    length += issue.pointer.length + issue.message.length
    if (issues.length > 0 && length > MAX_LENGTH) break
    issues.push(issue)
  }
  return issues
}

function jsonPointer(path: Path): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function shortened(message: string): string {
  return message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message
}

type Seen = Map<readonly unknown[], Finding[]>

function findings(issues: readonly z.core.$ZodIssue[], seen: Seen): Finding[] {
  const found: Finding[] = []
  for (const issue of issues) {
    if (found.length >= MAX_ISSUES) break
    found.push(...findingsOf(issue, seen))
  }
  return found.slice(0, MAX_ISSUES)
}

function findingsOf(issue: z.core.$ZodIssue, seen: Seen): Finding[] {
  const { path, message } = issue
  switch (issue.code) {
    case 'invalid_type':
      return [{ path, message, expected: issue.expected }]
    case 'invalid_value':
      return [{ path, message, expected: issue.values.map(show).join(' or '), tag: issue.values.length === 1 }]
    case 'unrecognized_keys':
      return issue.keys.slice(0, MAX_ISSUES).map((key) => ({ path: [...path, key], message: 'Unrecognized key' }))
    case 'invalid_key':
      return [{ path, message: [message, ...issue.issues.slice(0, 1).map((inner) => inner.message)].join(': ') }]
    case 'invalid_element':
      return below([...path, issue.key as PropertyKey], findings(issue.issues, seen))
    case 'invalid_union':
      return issue.errors.length === 0 ? [{ path, message }] : below(path, closestBranch(issue.errors, message, seen))
    default:
      return [{ path, message }]
  }
}

function below(path: Path, found: readonly Finding[]): Finding[] {
  return found.map((finding) => ({ ...finding, path: [...path, ...finding.path] }))
}

function show(value: unknown): string {
  return typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : (JSON.stringify(value) ?? 'undefined')
}

/** The findings of the branch that is closest to the payload. If no branch has its type: one finding with all types. */
function closestBranch(branches: readonly z.core.$ZodIssue[][], message: string, seen: Seen): Finding[] {
  const known = seen.get(branches)
  if (known !== undefined) return known
  const candidates = branches.map((branch) => findings(branch, seen))
  let best = candidates.reduce((one, other) => (isCloser(other, one) ? other : one))
  if (candidates.length > 1 && candidates.every(isOfAnotherType)) {
    const expected = [...new Set(candidates.flatMap((found) => found.find(isRoot)?.expected ?? []))].join(' or ')
    // Any other message than zod's own was written by the author of the schema, and is kept.
    best = [{ path: [], message: message === 'Invalid input' ? `${message}: expected ${expected}` : message, expected }]
  }
  seen.set(branches, best)
  return best
}

/** Compares by type, then by tag, then by how deep the first finding is, then by the number of findings. */
function isCloser(one: readonly Finding[], other: readonly Finding[]): boolean {
  const [a, b] = [distance(one), distance(other)]
  const at = a.findIndex((part, index) => part !== b[index])
  return at !== -1 && (a[at] as number) < (b[at] as number)
}

function distance(found: readonly Finding[]): number[] {
  const depths = found.map(({ path }) => path.length)
  const wrongTags = found.filter(({ path, tag }) => tag === true && path.length === 1)
  return [isOfAnotherType(found) ? 1 : 0, wrongTags.length, -Math.min(...depths), found.length]
}

/** True if the payload has not the type of the branch. */
function isOfAnotherType(found: readonly Finding[]): boolean {
  return found.some(isRoot)
}

function isRoot({ path, expected }: Finding): boolean {
  return path.length === 0 && expected !== undefined
}
