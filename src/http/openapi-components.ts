/**
 * What many operations of the OpenAPI document have in common is said once, in its components: problem answers by their
 * status, and parameters and headers by their names. Without this a document of six services is twice as large.
 */
import { STATUS_CODES } from 'node:http'
import { PROBLEM_TYPE } from './problem-document.ts'

/** Answers and parameters of operations, as far as this module reads them. */
interface Answer {
  $ref?: string
  description?: string
  headers?: Record<string, object>
  content?: Record<string, { schema?: { $ref?: string } }>
}
export interface Parameter {
  in: string
  name: string
}
interface Operation {
  operationId: string
  parameters?: (Parameter | Reference)[]
  responses: Record<string, Answer>
}
interface Shared {
  paths: Record<string, Record<string, Operation>>
  components: object
}
interface Reference {
  $ref: string
}

/** Where each kind of component is. */
const PLACES = {
  parameters: '#/components/parameters/',
  headers: '#/components/headers/',
  responses: '#/components/responses/',
} as const
type Kind = keyof typeof PLACES

export class SharedComponents {
  readonly #parts: Record<Kind, Record<string, object>> = { parameters: {}, headers: {}, responses: {} }
  /** The names of components, by their kind and text. */
  readonly #names = new Map<string, string>()

  /** Replaces what the operations of a document have in common by references, and adds the components to it. */
  constructor({ paths, components }: Shared) {
    for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
      const { operationId } = operation
      if (operation.parameters !== undefined) {
        operation.parameters = (operation.parameters as Parameter[]).map((one) =>
          this.#reference('parameters', one.in === 'path' ? `${one.name} in path` : one.name, one, operationId),
        )
      }
      for (const [status, answer] of Object.entries(operation.responses)) {
        for (const [name, header] of Object.entries(answer.headers ?? {})) {
          Object.assign(answer.headers as object, { [name]: this.#reference('headers', name, header, operationId) })
        }
        operation.responses[status] = this.#sharedProblem(status, answer, operationId)
      }
    }
    Object.assign(components, this.#parts)
  }

  /** The parameter itself. */
  parameter({ $ref }: Reference): Parameter {
    return this.#parts.parameters[$ref.slice(PLACES.parameters.length)] as Parameter
  }

  /** The answer itself. */
  answer(answer: object): Answer {
    const { $ref, description } = answer as Answer
    if ($ref === undefined) return answer
    return {
      ...this.#parts.responses[$ref.slice(PLACES.responses.length)],
      ...(description !== undefined && { description }),
    }
  }

  /** An answer that is a problem, and nothing else: the codes stay beside the reference, as its description. */
  #sharedProblem(status: string, answer: Answer, operationId: string): Answer {
    const types = Object.keys(answer.content ?? {})
    const isProblem = types.length === 1 && answer.content?.[PROBLEM_TYPE]?.schema?.$ref?.endsWith('/Problem') === true
    if (!isProblem) return answer
    const { description = '', ...rest } = answer
    const text = STATUS_CODES[status] ?? status
    return { ...this.#reference('responses', text, { description: text, ...rest }, operationId), description }
  }

  /** Where several parts have one name, the later ones are named after an operation: `GetJobPrefer`. */
  #reference(kind: Kind, wanted: string, part: object, operationId: string): Reference {
    const parts = this.#parts[kind]
    const text = `${kind} ${JSON.stringify(part)}`
    let name = this.#names.get(text)
    if (name === undefined) {
      name = pascalCase(wanted)
      if (Object.hasOwn(parts, name)) name = pascalCase(`${operationId} ${wanted}`)
      parts[name] = part
      this.#names.set(text, name)
    }
    return { $ref: PLACES[kind] + name }
  }
}

/** A name for a component or a part of an operation's id: `request-timeout` → `RequestTimeout`. */
export function pascalCase(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}
