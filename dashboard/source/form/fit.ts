/** How well a value fits a schema: so that a form knows which branch of a union a value belongs to. Pure. */
import { type Branch, type Field, fieldOf } from './field.ts'
import { isObject, type Schema } from './schema.ts'

const MAX_DEPTH = 6

/** 1: as far as can be seen, it is accepted. 0: it is of another type. Between: something is missing or too much. */
export function fit(root: Schema, schema: Schema, value: unknown, depth = 0): number {
  const field = fieldOf(root, schema)
  if (value === undefined) return 0
  if (field.nullable && value === null) return 1
  if (depth > MAX_DEPTH) return 1
  switch (field.kind) {
    case 'any':
      return 0.9
    case 'never':
      return 0
    case 'null':
      return value === null ? 1 : 0
    case 'boolean':
      return typeof value === 'boolean' ? 1 : 0
    case 'choice':
      return field.values.some((one) => JSON.stringify(one) === JSON.stringify(value)) ? 1 : 0
    case 'number':
      return typeof value === 'number' ? (isWithin(field, value) ? 1 : 0.5) : 0
    case 'text':
      return typeof value === 'string' ? (isText(field, value) ? 1 : 0.5) : 0
    case 'list':
      return Array.isArray(value)
        ? lengthFit(field, value) * average(value, (item) => fit(root, field.item, item, depth + 1))
        : 0
    case 'tuple':
      return Array.isArray(value)
        ? lengthFit(field, value) *
            average(value, (item, at) => {
              const schema = field.items[at] ?? field.rest
              return schema === undefined ? 0 : fit(root, schema, item, depth + 1)
            })
        : 0
    case 'union':
      return Math.max(...field.branches.map((branch) => fit(root, branch.schema, value, depth + 1)))
    case 'object':
      return isObject(value) ? objectFit(root, field, value, depth) : 0
  }
}

/** The branch that fits best; of equals the first. */
export function branchOf(root: Schema, branches: readonly Branch[], value: unknown): number {
  const fits = branches.map(({ schema }) => fit(root, schema, value))
  return Math.max(0, fits.indexOf(Math.max(...fits)))
}

/** Is the value within the limits of the number? */
export function isWithin(field: Extract<Field, { kind: 'number' }>, value: number): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = field
  if (field.integer && !Number.isInteger(value)) return false
  if (minimum !== undefined && value < minimum) return false
  if (maximum !== undefined && value > maximum) return false
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return false
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return false
  return multipleOf === undefined || isMultiple(value, multipleOf)
}

/** 0.3 is a multiple of 0.1, though not for the machine. */
function isMultiple(value: number, step: number): boolean {
  const times = value / step
  return Math.abs(times - Math.round(times)) < 1e-9
}

/** Is the text of the length and pattern? Lengths count as zod counts them. */
export function isText(field: Extract<Field, { kind: 'text' }>, value: string): boolean {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = field
  if (value.length < minLength || value.length > maxLength) return false
  return pattern === undefined || value.length > 1_000 || matches(pattern, value)
}

/** True too for a pattern that this browser cannot read: the server decides. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}

function lengthFit({ minItems, maxItems }: { minItems: number; maxItems: number }, value: unknown[]): number {
  return value.length >= minItems && value.length <= maxItems ? 1 : 0.5
}

/** Of the first items: a list may have thousands. */
function average(items: unknown[], fitOf: (item: unknown, at: number) => number): number {
  const some = items.slice(0, 20)
  return some.length === 0 ? 1 : some.reduce<number>((sum, item, at) => sum + fitOf(item, at), 0) / some.length
}

function objectFit(root: Schema, field: Extract<Field, { kind: 'object' }>, value: object, depth: number): number {
  const given = new Map(Object.entries(value))
  let sum = 1
  let parts = 1
  for (const { name, schema, required } of field.members) {
    const member = given.get(name)
    given.delete(name)
    if (member === undefined) {
      if (required) parts += 0.5
      continue
    }
    const own = fit(root, schema, member, depth + 1)
    // Another constant: it is another branch, whatever else fits.
    if (own === 0 && fieldOf(root, schema).kind === 'choice') return 0
    sum += own
    parts += 1
  }
  for (const other of given.values()) {
    parts += 1
    if (field.others !== undefined) sum += fit(root, field.others, other, depth + 1)
  }
  return Math.max(sum / parts, 0.01)
}
