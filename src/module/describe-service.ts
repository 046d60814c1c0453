/**
 * Checks the definition of a service module and makes its description (P1). Runs in the service's thread: the control
 * thread gets plain JSON, and never a value of the module. Names such as `constructor` or `__proto__` are names like
 * any other.
 */
import { z } from 'zod'
import type { BytesDescription, JsonSchema, MethodDescription, ServiceDescription } from '../contract/description.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { METHOD_DEFAULTS, methodOptionsSchema, NAME_PATTERN, serviceOptionsSchema } from '../contract/options.ts'
import { payloadIssues } from '../payload/issues.ts'
import { bytesOf, invalidBytesOptions } from './bytes.ts'
import type { MethodDefinition, ServiceDefinition } from './define-service.ts'
import { problemsSchema } from './method-problem.ts'
import { itemOf } from './stream.ts'
import { widen } from './widen-schema.ts'

const MAX_TIMER_MS = 2 ** 31 - 1
/** Limit of a description as JSON, in characters: the control thread stores it and serves it (P5). */
const MAX_LENGTH = 4 * 1024 * 1024

/** zod would generate code for each schema, which takes longer than the one parse. */
const ONCE = { jitless: true } as z.core.ParseContext<z.core.$ZodIssue>

const aFunction = z.custom<unknown>((value) => typeof value === 'function', 'expected a function')
const aZodSchema = z.custom<z.ZodType>(isZod4, 'expected a schema of zod 4, such as z.object({ … })')
const named = z.custom<Record<string, unknown>>(isObject, 'expected an object of names')

const methodSchema = z.strictObject({
  description: z.string().optional(),
  input: aZodSchema.optional(),
  output: aZodSchema.optional(),
  problems: problemsSchema.optional(),
  handler: aFunction,
  ...methodOptionsSchema.shape,
})

const timerSchema = z.strictObject({ everyMs: z.int().min(1).max(MAX_TIMER_MS), run: aFunction })

const definitionSchema = z.strictObject({
  description: z.string().optional(),
  config: aZodSchema.optional(),
  methods: named,
  onStart: aFunction.optional(),
  onStarted: aFunction.optional(),
  onThreadStarted: aFunction.optional(),
  onThreadStop: aFunction.optional(),
  onRestart: aFunction.optional(),
  tasks: named.optional(),
  timers: named.optional(),
  ...serviceOptionsSchema.shape,
})

/** @throws MODULE_REFUSED if the definition is wrong */
export function describeService(definition: ServiceDefinition): ServiceDescription {
  check('the service', definitionSchema, definition)
  const methods = Object.entries(definition.methods)
  if (methods.length === 0) refuse('the service: methods: expected at least one method')
  for (const [name, method] of methods) {
    check(nameOf('method', name), methodSchema, method)
    for (const io of ['input', 'output'] as const) checkBytes(`method "${name}": ${io}`, method[io], io)
    checkStream(`method "${name}"`, method)
  }
  for (const [name, task] of Object.entries(definition.tasks ?? {})) check(nameOf('task', name), aFunction, task)
  for (const [name, timer] of Object.entries(definition.timers ?? {})) check(nameOf('timer', name), timerSchema, timer)
  const description = JSON.stringify({
    description: definition.description,
    options: optionsOf(serviceOptionsSchema, definition),
    config: definition.config && jsonSchema(definition.config, 'input'),
    methods: Object.fromEntries(methods.map(([name, method]) => [name, describeMethod(method)])),
  })
  if (description.length > MAX_LENGTH) refuse(`the service: its description is longer than ${MAX_LENGTH} characters`)
  return JSON.parse(description) as ServiceDescription
}

function describeMethod(method: MethodDefinition): MethodDescription {
  const { description, input, output, problems } = method
  const inputBytes = bytesOf(input, 'input')
  const outputBytes = bytesOf(output, 'output')
  const item = itemOf(output)
  return toPlainJson({
    description,
    input: inputBytes ? binary(inputBytes) : input && jsonSchema(input, 'input'),
    widenedInput: inputBytes ? undefined : input && widenedOrAny(input),
    output: outputBytes ? binary(outputBytes) : output && jsonSchema(item ?? output, 'output'),
    streams: item && true,
    inputBytes,
    outputBytes,
    problems,
    options: { ...METHOD_DEFAULTS, ...optionsOf(methodOptionsSchema, method) },
  })
}

function checkBytes(subject: string, schema: z.ZodType | undefined, io: 'input' | 'output'): void {
  const bytes = bytesOf(schema, io)
  const invalid = bytes && invalidBytesOptions(bytes, io)
  if (invalid !== undefined) refuse(`${subject}: ${invalid}`)
}

function checkStream(subject: string, { input, output }: MethodDefinition): void {
  if (itemOf(input) !== undefined) refuse(`${subject}: input: a stream can only be an output`)
  const item = itemOf(output)
  if (item !== undefined && !isZod4(item)) refuse(`${subject}: output: expected a stream of a schema of zod 4`)
  if (bytesOf(item, 'output') ?? itemOf(item)) refuse(`${subject}: output: the items of a stream must be JSON`)
}

/** Bytes in the notation of OpenAPI. */
function binary({ maxBytes }: BytesDescription): JsonSchema {
  return { type: 'string', format: 'binary', ...(maxBytes !== undefined && { maxLength: maxBytes }) }
}

/** Metadata without ids: zod has no JSON Schema for an object in which two schemas have the same id. */
const WITHOUT_IDS = {
  get: (schema: z.core.$ZodType) => ({ ...z.globalRegistry.get(schema), id: undefined }),
} as typeof z.globalRegistry

/** All metadata; then without ids; then no metadata. */
const REGISTRIES: z.core.$ZodRegistry<Record<string, unknown>>[] = [z.globalRegistry, WITHOUT_IDS, z.registry()]

type Overridden = Parameters<NonNullable<z.core.ToJSONSchemaParams['override']>>[0]

/**
 * The JSON Schema that people and OpenAPI see, with as much metadata as possible; `undefined` if zod cannot make one.
 */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema | undefined {
  for (const metadata of REGISTRIES) {
    try {
      const options = { io, target: 'draft-2020-12', unrepresentable: 'any', metadata } as const
      return toPlainJson(z.toJSONSchema(schema, { ...options, override: (found) => showAsJson(found, io) }))
    } catch {
      // Duplicate ids, metadata that is not JSON, or a kind of schema without JSON Schema.
    }
  }
  return undefined
}

/** Kinds of schemas whose values JSON does not have. zod would show them as any JSON. */
const NOT_JSON = new Set(['bigint', 'map', 'set', 'symbol', 'nan', 'file', 'undefined', 'void', 'promise', 'function'])

/** A date is sent as text, in both directions. What has no form in JSON is shown as no value at all. */
function showAsJson({ zodSchema, jsonSchema }: Overridden, io: 'input' | 'output'): void {
  const { type, coerce = false } = zodSchema._zod.def as { type: string; coerce?: boolean }
  if (type === 'date' && (coerce || io === 'output')) Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
  else if (type === 'bigint' && coerce && io === 'input') Object.assign(jsonSchema, { type: ['integer', 'string'] })
  else if ((type === 'void' || type === 'undefined') && io === 'output') Object.assign(jsonSchema, { type: 'null' })
  else if (type === 'date' || NOT_JSON.has(type)) Object.assign(jsonSchema, { not: {} })
}

/** `undefined`, which accepts any JSON, if the schema cannot be widened. */
function widenedOrAny(schema: z.ZodType): JsonSchema | undefined {
  try {
    return toPlainJson(widen(schema))
  } catch {
    return undefined
  }
}

function nameOf(kind: string, name: string): string {
  if (!NAME_PATTERN.test(name)) refuse(`${kind} ${JSON.stringify(name)}: a name must match ${NAME_PATTERN.source}`)
  return `${kind} "${name}"`
}

function check(subject: string, schema: z.ZodType, value: unknown): void {
  const { error } = schema.safeParse(value, ONCE)
  if (error === undefined) return
  const [issue] = payloadIssues(error)
  const where = [subject, issue?.pointer.slice(1).replaceAll('/', '.')].filter(Boolean).join(': ')
  const isUnknown = error.issues[0]?.code === 'unrecognized_keys' && error.issues[0].path.length === 0
  const known = isUnknown && schema instanceof z.ZodObject ? `; it takes ${Object.keys(schema.shape).join(', ')}` : ''
  refuse(`${where}: ${issue?.message}${known}`)
}

function refuse(detail: string): never {
  throw new ThreadplaneError('MODULE_REFUSED', detail)
}

/** The options with a value, out of all members of a definition. */
function optionsOf<Options extends z.ZodObject>(schema: Options, values: object): z.output<Options> {
  const entries = Object.entries(values).filter(
    ([key, value]) => Object.hasOwn(schema.shape, key) && value !== undefined,
  )
  return schema.parse(Object.fromEntries(entries), ONCE)
}

/** A copy as plain JSON, without members that are `undefined`. */
function toPlainJson<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T
}

function isZod4(value: unknown): boolean {
  return isObject(value) && isObject(value._zod) && typeof value.safeParse === 'function'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
