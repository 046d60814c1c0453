/** The limits of a field in words: `from 1 to 1000`. The server checks; the page only says. Pure. */
import type { Field } from './field.ts'

export function limitsText(field: Field): string {
  return partsOf(field).join(', ')
}

function partsOf(field: Field): string[] {
  switch (field.kind) {
    case 'number': {
      const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = field
      return [
        ...between(minimum, maximum, ''),
        ...(exclusiveMinimum === undefined ? [] : [`more than ${exclusiveMinimum}`]),
        ...(exclusiveMaximum === undefined ? [] : [`less than ${exclusiveMaximum}`]),
        ...(multipleOf === undefined ? [] : [`a multiple of ${multipleOf}`]),
      ]
    }
    case 'text': {
      const { minLength, maxLength, pattern, format } = field
      // Of a known format, the pattern says nothing that its name does not say.
      const isShown = pattern !== undefined && format === undefined && pattern.length <= 60
      const least = minLength === 0 ? undefined : minLength
      return [...between(least, maxLength, ' characters'), ...(isShown ? [`like ${pattern}`] : [])]
    }
    case 'list':
    case 'tuple': {
      const { minItems, maxItems } = field
      const most = Number.isFinite(maxItems) ? maxItems : undefined
      return field.kind === 'tuple' && minItems === maxItems
        ? []
        : between(minItems === 0 ? undefined : minItems, most, ' items')
    }
    default:
      return []
  }
}

function between(low: number | undefined, high: number | undefined, unit: string): string[] {
  if (low === undefined && high === undefined) return []
  if (low === high) return [`exactly ${grouped(low)}${unit}`]
  if (low === undefined) return [`at most ${grouped(high)}${unit}`]
  return [high === undefined ? `at least ${grouped(low)}${unit}` : `${grouped(low)} to ${grouped(high)}${unit}`]
}

/** `10,000,000`. */
function grouped(value: number | undefined): string {
  const isExact = Number.isSafeInteger(value)
  return isExact ? (value as number).toLocaleString('en') : String(value)
}
