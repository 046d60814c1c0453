/** Adds the operations of one service to the OpenAPI document: `call…` and `cast…` for each of its methods. */
import {
  type BytesDescription,
  codeOfProblem,
  type JsonSchema,
  type MethodDescription,
  type ServiceDescription,
} from '../contract/description.ts'
import { type Parameter, pascalCase, type SharedComponents } from './openapi-components.ts'
import { PROBLEM_TYPE } from './problem-document.ts'

interface Operation {
  operationId: string
  parameters?: ({ $ref: string } & Parameter)[]
  responses: Record<string, object>
  [key: string]: unknown
}

export interface OpenApiDocument {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown> }
  tags: { name: string; description?: string }[]
  [key: string]: unknown
}

/** Headers that make a job of a call. A job cannot take bytes. */
const OF_JOBS: ReadonlySet<string> = new Set(['prefer', 'idempotency-key'])

/** The paths of the generic operations. The operation of a method copies the parameters and answers of these. */
export const genericPaths = (prefix: string) => ({
  call: `${prefix}/v1/services/{service}/call/{method}`,
  cast: `${prefix}/v1/services/{service}/cast/{method}`,
})

/** The tag of a service's operations. */
export function tagOf(service: string, { description }: ServiceDescription): { name: string; description?: string } {
  return { name: `service ${service}`, ...(description !== undefined && { description }) }
}

/**
 * Yields after each method, so that the caller can serve others.
 * @param shared the components of the document
 * @param prefix of all paths
 * @param taken the operation ids of the document; those of the service are added
 */
export function* serviceOperations(
  document: OpenApiDocument,
  shared: SharedComponents,
  prefix: string,
  taken: Set<string>,
  service: string,
  description: ServiceDescription,
): Generator<void> {
  const { name: tag } = tagOf(service, description)
  const generics = genericPaths(prefix)
  for (const [method, methodDescription] of Object.entries(description.methods)) {
    const name = pascalCase(service) + pascalCase(method)
    const { input, output, inputBytes, outputBytes, streams } = methodDescription
    const requestContent = contentOf(inputBytes, inputBytes ? input : addSchema(document, `${name}Input`, input))
    const result = outputBytes ? output : addSchema(document, `${name}Output`, output)
    const responseContent = streams ? contentOfStream(result) : contentOf(outputBytes, result)
    // A method that takes bytes makes no jobs.
    const job = inputBytes ? {} : addJob(document, name, { service, method, streams, result: result ?? {} })
    const kinds = inputBytes === undefined ? (['call', 'cast'] as const) : (['call'] as const)
    for (const kind of kinds) {
      const generic = document.paths[generics[kind]]?.post as Operation
      const isCallOfBytes = inputBytes !== undefined
      const parameters = generic.parameters?.filter((reference) => {
        const one = shared.parameter(reference)
        return one.in !== 'path' && !(isCallOfBytes && OF_JOBS.has(one.name.toLowerCase()))
      })
      const { 202: accepted, 207: _batch, ...others } = generic.responses
      const ofMethod = { ...accepted, content: { 'application/json': { schema: job } } }
      const responses = { ...others, ...(accepted !== undefined && !isCallOfBytes && { 202: ofMethod }) }
      document.paths[`${prefix}/v1/services/${service}/${kind}/${method}`] = {
        post: {
          operationId: unusedId(taken, `${kind}${name}`),
          tags: [tag],
          summary: summary(kind, service, method, methodDescription),
          ...(generic.security !== undefined && { security: generic.security }),
          ...(parameters !== undefined && parameters.length > 0 && { parameters }),
          requestBody: { required: isBodyRequired(methodDescription), content: requestContent },
          responses: {
            ...responses,
            ...(kind === 'call' && problemsOf(methodDescription, responses)),
            ...(kind === 'call' && {
              200: {
                ...generic.responses[200],
                description: streams ? STREAM : 'The result',
                content: responseContent,
              },
            }),
          },
        },
      }
    }
    yield
  }
}

/** The answers of a method that declares problems: beside what any method answers with that status. */
function problemsOf({ problems = {} }: MethodDescription, generic: Operation['responses']): Operation['responses'] {
  const declared = Object.entries(problems)
  const responses: Operation['responses'] = {}
  for (const status of new Set(declared.map(([, problem]) => problem.status))) {
    const ofStatus = declared.filter(([, problem]) => problem.status === status)
    const reasons = ofStatus.map(([name]) => codeOfProblem(name))
    const texts = ofStatus.map(([name, { title }]) => `METHOD_REFUSED, ${codeOfProblem(name)}: ${title}`)
    const { description } = (generic[status] ?? {}) as { description?: string }
    const refusal = {
      allOf: [{ $ref: '#/components/schemas/Problem' }],
      properties: { code: { const: 'METHOD_REFUSED' }, reason: { enum: reasons } },
      required: ['code', 'reason'],
    }
    responses[status] = {
      ...generic[status],
      description: [...(description === undefined ? [] : [description]), ...texts].join('; '),
      content: {
        [PROBLEM_TYPE]: {
          schema: description === undefined ? refusal : { anyOf: [refusal, { $ref: '#/components/schemas/Problem' }] },
        },
      },
    }
  }
  return responses
}

/** Without a body the payload is `{}`, so the body is required if the schema refuses `{}`. */
function isBodyRequired({ input = {}, inputBytes }: MethodDescription): boolean {
  const { type = 'object', required = [], $ref } = input as { type?: unknown; required?: unknown[]; $ref?: string }
  return inputBytes !== undefined || type !== 'object' || required.length > 0 || $ref !== undefined
}

const STREAM =
  'The items, one per line or one per event, each with this schema. If the call is kept as a job: an array of all items'

function contentOfStream(schema = {}): Record<string, { schema: object }> {
  return {
    'application/x-ndjson': { schema },
    'text/event-stream': { schema },
    'application/json': { schema: { type: 'array', items: schema } },
  }
}

function contentOf(bytes: BytesDescription | undefined, schema = {}): Record<string, { schema: object }> {
  const { types = ['application/json'] } = bytes ?? {}
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

function summary(kind: 'call' | 'cast', service: string, method: string, { description }: MethodDescription): string {
  return `${kind === 'call' ? 'Call' : 'Cast'} ${service}.${method}${description === undefined ? '' : `: ${description}`}`
}

/** The operation id, with a number after it if another operation has it already. */
function unusedId(taken: Set<string>, wantedId: string): string {
  let id = wantedId
  for (let n = 2; taken.has(id); n += 1) id = `${wantedId}_${n}`
  taken.add(id)
  return id
}

/** Adds the schema of a job of the method: its result is typed. Returns a reference to it. */
function addJob(
  document: OpenApiDocument,
  name: string,
  of: { service: string; method: string; streams: boolean | undefined; result: object },
): object {
  const { service, method, streams = false, result } = of
  return addSchema(document, `${name}Job`, {
    allOf: [
      { $ref: '#/components/schemas/Job' },
      {
        type: 'object',
        properties: {
          service: { const: service },
          method: { const: method },
          result: streams ? { type: 'array', items: result } : result,
        },
      },
    ],
  })
}

/** Adds a schema and its `$defs` to the components of the document. Returns a reference to the schema. */
function addSchema(document: OpenApiDocument, wantedName: string, schema: JsonSchema | undefined): object {
  if (schema === undefined) return {}
  const { schemas } = document.components
  const unusedName = (wanted: string) => {
    let name = wanted
    for (let n = 2; Object.hasOwn(schemas, name); n += 1) name = `${wanted}_${n}`
    // The place is taken until the schema itself is there.
    schemas[name] = {}
    return name
  }
  const name = unusedName(wantedName)
  const { $schema: _dialect, $id: _id, $defs = {}, ...rest } = schema
  const definitions = new Map(
    Object.keys($defs as object).map((definition) => [
      definition,
      unusedName(`${name}_${definition.replace(/[^A-Za-z0-9._-]/g, '_')}`),
    ]),
  )
  const rewrite = (ref: string): string => {
    if (ref === '#') return `#/components/schemas/${name}`
    const [, pointer, below = ''] = /^#\/(?:\$defs|definitions)\/([^/]+)(\/.*)?$/.exec(ref) ?? []
    const component = pointer === undefined ? undefined : definitions.get(unescapePointer(pointer))
    return component === undefined ? ref : `#/components/schemas/${component}${below}`
  }
  schemas[name] = withRefs(rest, rewrite)
  for (const [definition, part] of Object.entries($defs as Record<string, JsonSchema>)) {
    const { id: _metaId, ...plain } = part
    schemas[definitions.get(definition) as string] = withRefs(plain, rewrite)
  }
  return { $ref: `#/components/schemas/${name}` }
}

/** A part of a JSON pointer in a URL (RFC 6901, section 6). */
function unescapePointer(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // A percent sign that escapes nothing.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** Keywords of JSON Schema whose values are schemas, or lists of schemas. All others are data, such as `examples`. */
const OF_SCHEMAS = new Set(
  `items prefixItems contains additionalItems unevaluatedItems additionalProperties unevaluatedProperties propertyNames
  allOf anyOf oneOf not if then else`.split(/\s+/),
)
/** Keywords whose values are objects of schemas by name. */
const OF_NAMED_SCHEMAS = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'])

function withRefs(schema: unknown, rewrite: (ref: string) => string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => withRefs(item, rewrite))
  if (typeof schema !== 'object' || schema === null) return schema
  return mapped(schema, (part, key) => {
    if (key === '$ref' && typeof part === 'string') return rewrite(part)
    if (OF_SCHEMAS.has(key)) return withRefs(part, rewrite)
    return OF_NAMED_SCHEMAS.has(key) ? mapped(part as object, (named) => withRefs(named, rewrite)) : part
  })
}

function mapped(object: object, map: (value: unknown, key: string) => unknown): object {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]))
}
