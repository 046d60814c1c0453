/** A JSON Schema in a few words, as types are written: `{ below: integer, step?: integer }`. */

interface Schema {
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema | Schema[]
  prefixItems?: Schema[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
}

export function signatureOf(schema: object | null | undefined): string {
  const { type, properties, required = [], items, prefixItems, anyOf, oneOf, ...rest } = (schema ?? {}) as Schema
  const choices = anyOf ?? oneOf
  if (choices !== undefined) return [...new Set(choices.map(signatureOf))].join(' | ')
  if (rest.enum !== undefined) return rest.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (rest.const !== undefined) return JSON.stringify(rest.const)
  if (properties !== undefined) {
    const members = Object.entries(properties).map(
      ([name, value]) => `${name}${required.includes(name) ? '' : '?'}: ${signatureOf(value)}`,
    )
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
  }
  const tuple = prefixItems ?? (Array.isArray(items) ? items : undefined)
  if (tuple !== undefined) return `[${tuple.map(signatureOf).join(', ')}]`
  if (type === 'array') return `${signatureOf(items as Schema | undefined)}[]`
  if (type === undefined) return 'any'
  return Array.isArray(type) ? type.join(' | ') : type
}
