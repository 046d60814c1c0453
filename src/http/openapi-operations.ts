/** Adds the operations of one service to the OpenAPI document: `call…` and `cast…` for each of its methods. */
import {
  type BytesDescription,
  codeOfProblem,
  type JsonSchema,
  type MethodDescription,
  type ServiceDescription,
} from '../contract/description.ts'
import { PROBLEM_TYPE } from './problem-document.ts'

interface Operation {
  operationId: string
  responses: Record<string, object>
  [key: string]: unknown
}

export interface OpenApiDocument {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown> }
  tags: { name: string; description?: string }[]
  [key: string]: unknown
}

/** The paths of the generic operations. The operation of a method copies the parameters and answers of these. */
export const GENERIC = {
  call: '/v1/services/{service}/call/{method}',
  cast: '/v1/services/{service}/cast/{method}',
} as const

export function addServiceOperations(
  document: OpenApiDocument,
  service: string,
  description: ServiceDescription,
): void {
  const tag = `service ${service}`
  document.tags.push({
    name: tag,
    ...(description.description !== undefined && { description: description.description }),
  })
  for (const [method, methodDescription] of Object.entries(description.methods)) {
    const name = pascalCase(service) + pascalCase(method)
    const { input, output, inputBytes, outputBytes, streams } = methodDescription
    const requestContent = contentOf(inputBytes, inputBytes ? input : addSchema(document, `${name}Input`, input))
    const result = outputBytes ? output : addSchema(document, `${name}Output`, output)
    const responseContent = streams ? contentOfStream(result) : contentOf(outputBytes, result)
    // A method that takes bytes cannot be cast.
    const kinds = inputBytes === undefined ? (['call', 'cast'] as const) : (['call'] as const)
    for (const kind of kinds) {
      const generic = document.paths[GENERIC[kind]]?.post as Operation
      const parameters = (generic.parameters as { in: string }[] | undefined)?.filter((one) => one.in !== 'path') ?? []
      document.paths[`/v1/services/${service}/${kind}/${method}`] = {
        post: {
          operationId: unusedId(document, `${kind}${name}`),
          tags: [tag],
          summary: summary(kind, service, method, methodDescription),
          ...(parameters.length > 0 && { parameters }),
          requestBody: { required: isBodyRequired(methodDescription), content: requestContent },
          responses: {
            ...generic.responses,
            ...(kind === 'call' && problemsOf(methodDescription, generic.responses)),
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
  return inputBytes === undefined && (type !== 'object' || required.length > 0 || $ref !== undefined)
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
function unusedId(document: OpenApiDocument, wantedId: string): string {
  const taken = new Set(
    Object.values(document.paths).flatMap((path) => Object.values(path).map((op) => op.operationId)),
  )
  let id = wantedId
  for (let n = 2; taken.has(id); n += 1) id = `${wantedId}_${n}`
  return id
}

/** Adds a schema and its `$defs` to the components of the document. Returns a reference to the schema. */
function addSchema(document: OpenApiDocument, wantedName: string, schema: JsonSchema | undefined): object {
  if (schema === undefined) return {}
  const { schemas } = document.components
  let name = wantedName
  for (let n = 2; Object.hasOwn(schemas, name); n += 1) name = `${wantedName}_${n}`
  const { $schema: _dialect, $id: _id, $defs = {}, ...rest } = schema
  const componentOf = (definition: string) => `${name}_${definition.replace(/[^A-Za-z0-9._-]/g, '_')}`
  const rewrite = (ref: string): string => {
    if (ref === '#') return `#/components/schemas/${name}`
    const [, definition] = /^#\/(?:\$defs|definitions)\/(.+)$/.exec(ref) ?? []
    return definition === undefined ? ref : `#/components/schemas/${componentOf(definition)}`
  }
  schemas[name] = withRefs(rest, rewrite)
  for (const [definition, part] of Object.entries($defs as Record<string, JsonSchema>)) {
    const { id: _metaId, ...plain } = part
    schemas[componentOf(definition)] = withRefs(plain, rewrite)
  }
  return { $ref: `#/components/schemas/${name}` }
}

function withRefs(value: unknown, rewrite: (ref: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => withRefs(item, rewrite))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === '$ref' && typeof part === 'string' ? rewrite(part) : withRefs(part, rewrite),
    ]),
  )
}

function pascalCase(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}
