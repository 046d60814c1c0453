/** Checks an answer against the OpenAPI document. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Answer } from '../http-helper.ts'
import type { Schema } from './values.ts'

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}

type Content = Record<string, { schema: Schema }>

export interface Operation {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}

export interface OpenApiDocument {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; [kind: string]: Record<string, unknown> }
}

/** The document with parameters and answers in the place of references to them. Schemas stay as they are. */
function resolved({ paths, components, ...rest }: OpenApiDocument): OpenApiDocument {
  const whole = <T extends object>(part: T): T => {
    const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec((part as { $ref?: string }).$ref ?? '') ?? []
    return (components[kind]?.[name] as T | undefined) ?? part
  }
  const operationOf = ({ parameters, responses, ...operation }: Operation): Operation => ({
    ...operation,
    ...(parameters !== undefined && { parameters: parameters.map(whole) }),
    responses: Object.fromEntries(Object.entries(responses).map(([status, answer]) => [status, whole(answer)])),
  })
  const pathOf = (operations: Record<string, Operation>) =>
    Object.fromEntries(Object.entries(operations).map(([method, operation]) => [method, operationOf(operation)]))
  return {
    ...rest,
    paths: Object.fromEntries(Object.entries(paths).map(([path, operations]) => [path, pathOf(operations)])),
    components,
  }
}

const CAST = '/v1/services/{service}/cast/{method}'

export class Contract {
  readonly document: OpenApiDocument
  readonly #ajv: Ajv2020
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(document: OpenApiDocument) {
    this.document = resolved(document)
    this.#ajv = addFormats.default(new Ajv2020({ strict: false }))
    this.#ajv.addSchema(document, 'document')
  }

  /** What is wrong with the answer to a request. @param path as the document writes it, with `{parameters}` */
  complaint(method: string, path: string, answer: Answer): string | undefined {
    const { status, headers, text, json } = answer
    if (json?.code === 'INTERNAL') return 'the server failed'
    if (status === 503 && json?.code !== undefined && headers['retry-after'] === undefined) return 'no Retry-After'
    if (status === 202 && headers.location === undefined) return 'no Location'
    if (json?.code !== undefined && json.status !== undefined && json.status !== status)
      return 'the status in the body is not the status of the answer'
    const operations = this.document.paths[path] ?? {}
    const name = method === 'HEAD' ? 'get' : method.toLowerCase()
    const operation = operations[name]
    if (operation === undefined) {
      // An answer to HEAD has no body, so its code is unknown.
      if (method === 'HEAD' && (status === 400 || status === 403)) return undefined
      if (json?.code === 'MALFORMED_HEADER' || json?.code === 'FORBIDDEN') return undefined
      return status === 405 && headers.allow !== undefined
        ? undefined
        : `${method} is not documented: the answer must be 405 with Allow`
    }
    const response = operation.responses[status]
    if (response === undefined) {
      // The operation of a method is described for one payload, and takes a batch of them as the generic one does.
      if (status === 207 && path !== CAST) return this.complaint(method, CAST, answer)
      return `the status ${status} is not documented`
    }
    if (response.content === undefined) return text === '' ? undefined : 'no body is documented'
    const type = (headers['content-type'] ?? '').split(';')[0] as string
    if (!Object.hasOwn(response.content, type)) return `the content type ${type} is not documented`
    if (method === 'HEAD') return text === '' ? undefined : 'an answer to HEAD has a body'
    if (json === undefined) return undefined
    const $ref = response.content[type]?.schema.$ref
    // Most answers refer to one of a few shared schemas: each is compiled once.
    const validate = this.#validator(
      typeof $ref === 'string'
        ? $ref
        : pointer(['paths', path, name, 'responses', `${status}`, 'content', type, 'schema']),
    )
    return validate(json) ? undefined : `the body is not as documented: ${this.#ajv.errorsText(validate.errors)}`
  }

  #validator(pointer: string): ValidateFunction {
    const validate = this.#validators.get(pointer) ?? this.#ajv.compile({ $ref: `document${pointer}` })
    this.#validators.set(pointer, validate)
    return validate
  }
}

function pointer(path: string[]): string {
  return `#/${path.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
}
