/** What kind of input a schema asks for. Pure: `schema-form.tsx` draws it. */
import { asList, asObject, isObject, resolve, type Schema } from './schema.ts'

export interface Member {
  name: string
  schema: Schema
  required: boolean
}

export interface Branch {
  label: string
  schema: Schema
}

interface NumberLimits {
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
}

interface TextLimits {
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
}

interface ListLimits {
  minItems: number
  maxItems: number
}

/** `any`: whatever JSON has. `never`: no value is accepted. `choice`: one of some values. */
export type Kind =
  | { kind: 'any' }
  | { kind: 'never' }
  | { kind: 'null' }
  | { kind: 'boolean' }
  | { kind: 'choice'; values: unknown[] }
  | ({ kind: 'number'; integer: boolean } & NumberLimits)
  | ({ kind: 'text' } & TextLimits)
  | { kind: 'object'; members: Member[]; others: Schema | undefined }
  | ({ kind: 'list'; item: Schema } & ListLimits)
  | ({ kind: 'tuple'; items: Schema[]; rest: Schema | undefined } & ListLimits)
  | { kind: 'union'; branches: Branch[]; discriminator: string | undefined }

export type Field = Kind & {
  title?: string
  description?: string
  default?: unknown
  examples: unknown[]
  /** Is `null` accepted beside what the kind says? */
  nullable: boolean
}

export function fieldOf(root: Schema, unresolved: Schema): Field {
  const schema = resolve(root, unresolved)
  const { kind, nullable } = kindOf(root, schema)
  return {
    ...kind,
    ...(typeof schema.title === 'string' && { title: schema.title }),
    ...(typeof schema.description === 'string' && { description: schema.description }),
    ...('default' in schema && { default: schema.default }),
    examples: asList(schema.examples),
    nullable,
  }
}

/** Has the schema no valid value? Then a method with this input can never be called. */
export function isNever(root: Schema, schema: Schema, depth = 0): boolean {
  const field = fieldOf(root, schema)
  if (field.nullable || depth > 8) return false
  if (field.kind === 'never') return true
  if (field.kind === 'object') {
    return field.members.some(({ required, schema }) => required && isNever(root, schema, depth + 1))
  }
  return field.kind === 'union' && field.branches.every(({ schema }) => isNever(root, schema, depth + 1))
}

function kindOf(root: Schema, schema: Schema): { kind: Kind; nullable: boolean } {
  const only = (kind: Kind) => ({ kind, nullable: false })
  if (isObject(schema.not) && Object.keys(schema.not).length === 0) return only({ kind: 'never' })
  if ('const' in schema) return only({ kind: 'choice', values: [schema.const] })
  if (Array.isArray(schema.enum)) return only({ kind: 'choice', values: schema.enum })
  const branches = branchesOf(schema)
  if (branches !== undefined) return unionOf(root, branches)
  return only(simpleKind(root, schema))
}

/** The schemas of which one must hold; `undefined` if there is no such choice. */
function branchesOf(schema: Schema): Schema[] | undefined {
  const { anyOf, oneOf, type, ...rest } = schema
  if (Array.isArray(type)) return type.map((one: unknown) => ({ ...rest, type: one }))
  const branches = anyOf ?? oneOf
  if (!Array.isArray(branches) || branches.length === 0) return undefined
  // What stands beside the union holds for each of its branches, but words about the whole stay with the whole.
  const { title: _title, description: _description, default: _default, examples: _examples, ...shared } = rest
  const { $schema: _dialect, $defs: _defs, ...beside } = { ...shared, ...(type !== undefined && { type }) } as Schema
  return branches.map((branch: Schema) => (Object.keys(beside).length === 0 ? branch : { allOf: [beside, branch] }))
}

function unionOf(root: Schema, all: Schema[]): { kind: Kind; nullable: boolean } {
  const resolved = all.map((schema) => ({ schema, kind: resolve(root, schema) }))
  const isNull = ({ kind }: { kind: Schema }) => kind.type === 'null' || ('const' in kind && kind.const === null)
  const nullable = resolved.some(isNull)
  const others = resolved.filter((one) => !isNull(one))
  const types = new Set(others.map(({ kind }) => kind.type))
  if (['string', 'number', 'boolean', 'array', 'object'].every((type) => types.has(type))) {
    return { kind: { kind: 'any' }, nullable: false }
  }
  const [first] = others
  if (first === undefined) return { kind: { kind: 'null' }, nullable: false }
  if (others.length === 1) {
    const inner = kindOf(root, first.kind)
    return { kind: inner.kind, nullable: nullable || inner.nullable }
  }
  const values = others.map(({ kind }) => ('const' in kind ? [kind.const] : kind.enum))
  if (values.every((some) => Array.isArray(some))) {
    return { kind: { kind: 'choice', values: [...new Set(values.flat())] }, nullable }
  }
  const discriminator = discriminatorOf(others.map(({ kind }) => kind))
  const labels = others.map(({ kind }) => labelOf(root, kind, discriminator))
  const branches = others.map(({ schema }, at) => {
    const label = labels[at] ?? ''
    const same = labels.slice(0, at).filter((one) => one === label).length
    return { label: same === 0 ? label : `${label} (${same + 1})`, schema }
  })
  return { kind: { kind: 'union', branches, discriminator }, nullable }
}

/** A member that has another constant in each branch. */
function discriminatorOf(branches: Schema[]): string | undefined {
  const constantOf = (branch: Schema, name: string) => asObject(asObject(branch.properties)[name]).const
  const names = Object.keys(asObject(branches[0]?.properties))
  return names.find((name) => {
    const constants = branches.map((branch) => constantOf(branch, name))
    return !constants.includes(undefined) && new Set(constants).size === branches.length
  })
}

function labelOf(root: Schema, branch: Schema, discriminator: string | undefined): string {
  const { title, properties } = branch
  if (discriminator !== undefined) return String(asObject(asObject(properties)[discriminator]).const)
  return typeof title === 'string' ? title : typeName(fieldOf(root, branch))
}

/** The type in a word or two, beside a field. */
export function typeName(field: Field): string {
  const name = nameOf(field)
  return field.nullable ? `${name} or null` : name
}

function nameOf(field: Field): string {
  switch (field.kind) {
    case 'any':
      return 'any JSON'
    case 'choice':
      return field.values.length === 1 ? JSON.stringify(field.values[0]) : 'choice'
    case 'number':
      return field.integer ? 'integer' : 'number'
    case 'text':
      return field.format ?? 'text'
    case 'object': {
      const names = field.members.map(({ name }) => name)
      if (names.length === 0) return field.others === undefined ? 'object' : 'map'
      return `{ ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''} }`
    }
    case 'tuple':
      return `list of ${field.items.length}`
    case 'union':
      return 'one of several'
    default:
      return field.kind
  }
}

function simpleKind(root: Schema, schema: Schema): Kind {
  switch (typeOf(schema)) {
    case 'null':
      return { kind: 'null' }
    case 'boolean':
      return { kind: 'boolean' }
    case 'integer':
    case 'number':
      return { kind: 'number', integer: schema.type === 'integer', ...numberLimits(schema) }
    case 'string':
      return { kind: 'text', ...textLimits(schema) }
    case 'array':
      return listKind(schema)
    case 'object':
      return objectKind(root, schema)
    default:
      return { kind: 'any' }
  }
}

function typeOf(schema: Schema): unknown {
  if (schema.type !== undefined) return schema.type
  if (schema.properties !== undefined || schema.propertyNames !== undefined) return 'object'
  if (schema.prefixItems !== undefined || schema.items !== undefined) return 'array'
  return undefined
}

function numberOf<Name extends string>(schema: Schema, name: Name): { [name in Name]?: number } {
  const value = schema[name]
  return typeof value === 'number' ? ({ [name]: value } as { [name in Name]?: number }) : {}
}

function numberLimits(schema: Schema): NumberLimits {
  const limits: NumberLimits = {
    ...numberOf(schema, 'minimum'),
    ...numberOf(schema, 'maximum'),
    ...numberOf(schema, 'exclusiveMinimum'),
    ...numberOf(schema, 'exclusiveMaximum'),
    ...numberOf(schema, 'multipleOf'),
  }
  // Each integer of zod has these; they tell a reader nothing.
  if (limits.minimum === Number.MIN_SAFE_INTEGER) delete limits.minimum
  if (limits.maximum === Number.MAX_SAFE_INTEGER) delete limits.maximum
  return limits
}

function textLimits(schema: Schema): TextLimits {
  return {
    ...(typeof schema.format === 'string' && { format: schema.format }),
    ...(typeof schema.pattern === 'string' && { pattern: schema.pattern }),
    ...numberOf(schema, 'minLength'),
    ...numberOf(schema, 'maxLength'),
  }
}

function listKind(schema: Schema): Kind {
  const { minItems = 0 } = numberOf(schema, 'minItems')
  const { maxItems = Number.POSITIVE_INFINITY } = numberOf(schema, 'maxItems')
  const item = schema.items === undefined || schema.items === true ? {} : schema.items
  if (!Array.isArray(schema.prefixItems)) return { kind: 'list', item: item as Schema, minItems, maxItems }
  const items = schema.prefixItems as Schema[]
  const hasRest = schema.items !== undefined && schema.items !== false && maxItems > items.length
  return { kind: 'tuple', items, rest: hasRest ? (item as Schema) : undefined, minItems, maxItems }
}

function objectKind(root: Schema, schema: Schema): Kind {
  const required = new Set(asList(schema.required))
  const { additionalProperties } = schema
  const listed = Object.entries(asObject(schema.properties)) as [string, Schema][]
  const names = asList(resolve(root, schema.propertyNames).enum).map(String)
  const isRecord = names.length > 0 && isObject(additionalProperties)
  const more: [string, Schema][] = isRecord ? names.map((name) => [name, additionalProperties]) : []
  const known = new Set(listed.map(([name]) => name))
  const members = [...listed, ...more.filter(([name]) => !known.has(name))].map(([name, schema]) => ({
    name,
    schema,
    required: required.has(name),
  }))
  const accepts = isObject(additionalProperties) || additionalProperties === true
  const hasOthers = !isRecord && (accepts || (members.length === 0 && additionalProperties === undefined))
  return { kind: 'object', members, others: hasOthers ? asObject(additionalProperties) : undefined }
}
