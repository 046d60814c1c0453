/** At which field an error of the server is shown: its own, or the nearest one around it that is drawn. Pure. */
import { fieldOf } from './field.ts'
import { branchOf } from './fit.ts'
import { isObject, pointerNames, pointerPart, type Schema } from './schema.ts'

export interface FieldError {
  /** JSON pointer into the payload. */
  pointer: string
  message: string
}

/** @returns pointer of a field → its messages */
export function placeErrors(root: Schema, value: unknown, errors: readonly FieldError[]): Map<string, string[]> {
  const placed = new Map<string, string[]>()
  for (const { pointer, message } of errors) {
    const at = nearest(root, value, pointerNames(pointer))
    // Of an error that is shown further out, the rest of its pointer says what it means.
    const rest = pointer.slice(at.length)
    placed.set(at, [...(placed.get(at) ?? []), rest === '' ? message : `${rest}: ${message}`])
  }
  return placed
}

/** Is there an error at this field, or below it? */
export function hasErrorBelow(errors: ReadonlyMap<string, unknown>, pointer: string): boolean {
  return [...errors.keys()].some((at) => at === pointer || at.startsWith(`${pointer}/`))
}

function nearest(root: Schema, value: unknown, names: string[]): string {
  let at = ''
  let schema: Schema | undefined = root
  let inside = value
  for (const name of names) {
    schema = partOf(root, schema, inside, name)
    if (schema === undefined) return at
    inside = isObject(inside) || Array.isArray(inside) ? (inside as Record<string, unknown>)[name] : undefined
    at += pointerPart(name)
  }
  return at
}

/** The schema of a part, if the form draws a field for it. */
function partOf(root: Schema, schema: Schema, value: unknown, name: string): Schema | undefined {
  const field = fieldOf(root, schema)
  switch (field.kind) {
    case 'object': {
      if (value !== undefined && !isObject(value)) return undefined
      const member = field.members.find((one) => one.name === name)
      if (member !== undefined) return member.schema
      return isObject(value) && Object.hasOwn(value, name) ? field.others : undefined
    }
    case 'list':
      return Array.isArray(value) && Number(name) < value.length ? field.item : undefined
    case 'tuple':
      return Array.isArray(value) && Number(name) < value.length ? (field.items[Number(name)] ?? field.rest) : undefined
    case 'union': {
      const branch = field.branches[branchOf(root, field.branches, value)]
      return branch && partOf(root, branch.schema, value, name)
    }
    default:
      return undefined
  }
}
