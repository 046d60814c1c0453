/** Adds the operations of one service to the OpenAPI document: `call…` and `cast…` for each of its methods. */
import {
  type BytesDescription,
  codeOfProblem,
  type JsonSchema,
  type MethodDescription,
  type ServiceDescription,
} from '../contract/description.ts'
import { type Parameter, pascalCase, type SharedComponents } from './openapi-components.ts'
import { ServiceSchemas } from './openapi-schemas.ts'
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

/**
 * Headers of calls that become jobs. `Prefer` is left to the generic operation: a typed call answers with its result alone,
 * so that a generated client has no union of result and job. The same holds for the key of a stream, which as a job is an
 * array. A job cannot take bytes.
 */
const OF_DEFERRED_CALLS = ['prefer', 'preference-applied']
const OF_KEPT_CALLS = ['idempotency-key', 'idempotency-expires']

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
  const paths = genericPaths(prefix)
  const generic = (kind: 'call' | 'cast') => document.paths[paths[kind]]?.post as Operation
  const schemas = new ServiceSchemas(document.components.schemas, pascalCase(service))
  for (const [method, methodDescription] of Object.entries(description.methods)) {
    const name = pascalCase(service) + pascalCase(method)
    const { input, output, inputBytes, outputBytes, streams } = methodDescription
    const requestContent = contentOf(inputBytes, inputBytes ? input : schemas.add(`${name}Input`, input))
    const result = outputBytes ? output : schemas.add(`${name}Output`, output)
    const add = (kind: 'call' | 'cast', isLeftOut: (header: string) => boolean, responses: Operation['responses']) => {
      const parameters = generic(kind).parameters?.filter((reference) => {
        const one = shared.parameter(reference)
        return one.in !== 'path' && !isLeftOut(one.name.toLowerCase())
      })
      document.paths[`${prefix}/v1/services/${service}/${kind}/${method}`] = {
        post: {
          operationId: unusedId(taken, `${kind}${name}`),
          tags: [tag],
          summary: summary(kind, service, method, methodDescription),
          description: explanation(kind, methodDescription),
          ...(generic(kind).security !== undefined && { security: generic(kind).security }),
          ...(parameters !== undefined && parameters.length > 0 && { parameters }),
          requestBody: { required: isBodyRequired(methodDescription), content: requestContent },
          responses,
        },
      }
    }

    const isNeverKept = inputBytes !== undefined || streams === true
    const ofJobs = isNeverKept ? [...OF_DEFERRED_CALLS, ...OF_KEPT_CALLS] : OF_DEFERRED_CALLS
    const isOfJobs = (header: string) => ofJobs.includes(header)
    const { 200: generalSuccess, 202: _deferred, ...failures } = generic('call').responses
    const { headers = {} } = (generalSuccess ?? {}) as { headers?: object }
    const kept = Object.entries(headers).filter(([header]) => !isOfJobs(header.toLowerCase()))
    add('call', isOfJobs, {
      200: {
        description: streams ? STREAM : 'The result',
        ...(kept.length > 0 && { headers: Object.fromEntries(kept) }),
        content: streams ? contentOfStream(result) : contentOf(outputBytes, result),
      },
      ...failures,
      ...problemsOf(methodDescription, failures, shared),
    })

    if (inputBytes === undefined) {
      const job = schemas.add(`${name}Job`, jobOf({ service, method, streams, result: result ?? {} }))
      // A batch of payloads is described at the generic route: the answer to one would have two types.
      const { 202: accepted, 207: _batch, ...others } = generic('cast').responses
      add('cast', () => false, {
        202: { ...accepted, content: { 'application/json': { schema: job } } },
        ...others,
      })
    }
    yield
  }
}

/** The answers of a method that declares problems: beside what any method answers with that status. */
function problemsOf(
  { problems = {} }: MethodDescription,
  generic: Operation['responses'],
  shared: SharedComponents,
): Operation['responses'] {
  const declared = Object.entries(problems)
  const responses: Operation['responses'] = {}
  for (const status of new Set(declared.map(([, problem]) => problem.status))) {
    const ofStatus = declared.filter(([, problem]) => problem.status === status)
    const reasons = ofStatus.map(([name]) => codeOfProblem(name))
    const texts = ofStatus.map(([name, { title }]) => `METHOD_REFUSED, ${codeOfProblem(name)}: ${title}`)
    const { description, ...known } = shared.answer(generic[status] ?? {})
    const refusal = {
      allOf: [{ $ref: '#/components/schemas/Problem' }],
      properties: { code: { const: 'METHOD_REFUSED' }, reason: { enum: reasons } },
      required: ['code', 'reason'],
    }
    responses[status] = {
      ...known,
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

const STREAM = 'The items, one per event or one per line, each with this schema'

function contentOfStream(schema = {}): Record<string, { schema: object }> {
  return { 'text/event-stream': { schema }, 'application/x-ndjson': { schema } }
}

function contentOf(bytes: BytesDescription | undefined, schema = {}): Record<string, { schema: object }> {
  const { types = ['application/json'] } = bytes ?? {}
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

/** What happens, with the numbers that the module gives. */
function explanation(kind: 'call' | 'cast', { streams, options }: MethodDescription): string {
  if (kind === 'call') {
    const answer = streams ? 'answers with each item as it comes' : 'answers with its result'
    return `Runs the method in a thread of the service, and ${answer}. The method may run for ${options.timeoutMs} ms.`
  }
  return (
    'Stores a job and answers at once; the job has the result when it has succeeded. ' +
    `It has ${options.maxAttempts} attempts, and each may run for ${options.timeoutMs} ms.`
  )
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

/** The schema of a job of the method: its result is typed. */
function jobOf(of: { service: string; method: string; streams: boolean | undefined; result: object }): JsonSchema {
  const { service, method, streams = false, result } = of
  return {
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
  }
}
