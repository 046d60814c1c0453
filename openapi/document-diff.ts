/**
 * What of an OpenAPI document may break a client that was made for an earlier one. Clients send parameters and bodies, so
 * those may not take less; they read answers, so those may not lose anything. New operations, optional members, problems
 * and values of an enumeration break nobody: a client has to expect values that it does not know. `released.json` is the
 * document of the last release: `npm run release` copies `openapi.json` over it.
 */
import { schemaChanges } from '../src/dev/schema-diff.ts'

type Schema = Record<string, unknown>
type Content = Record<string, { schema?: Schema }>
interface Parameter {
  in: string
  name: string
  required?: boolean
  schema?: Schema
}
interface Operation {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content?: Content }
  responses: Record<string, { content?: Content }>
}
export interface Document {
  info: { version: string }
  paths: Record<string, Record<string, Operation>>
  components?: object
}

/** Each is a line such as `getJob answer 200: − progress`. Empty: every client of `before` can use `after`. */
export function breakingChanges(before: Document, after: Document): string[] {
  const lines: string[] = []
  const schemas = { before: before as unknown as Schema, after: after as unknown as Schema }
  for (const [path, operations] of Object.entries(before.paths)) {
    for (const [verb, from] of Object.entries(operations)) {
      const to = after.paths[path]?.[verb]
      if (to === undefined) lines.push(`${from.operationId} is gone: ${verb.toUpperCase()} ${path}`)
      else lines.push(...new OperationDiff(schemas, from, to).lines())
    }
  }
  return lines
}

/** Semantic versioning: another major version, and before 1.0 another minor version, may break clients. */
export function mayBreak(before: string, after: string): boolean {
  const [from, to] = [before, after].map((version) => version.split('.'))
  return from?.[0] !== to?.[0] || (to?.[0] === '0' && from?.[1] !== to[1])
}

class OperationDiff {
  readonly #documents: { before: Schema; after: Schema }
  readonly #from: Operation
  readonly #to: Operation

  constructor(documents: { before: Schema; after: Schema }, from: Operation, to: Operation) {
    this.#documents = documents
    this.#from = from
    this.#to = to
  }

  lines(): string[] {
    const { operationId } = this.#from
    const name = this.#to.operationId === operationId ? [] : [`is ${this.#to.operationId} now`]
    return [...name, ...this.#parameters(), ...this.#body(), ...this.#answers()].map((text) => `${operationId} ${text}`)
  }

  #parameters(): string[] {
    const keyed = ({ parameters = [] }: Operation, document: Schema) =>
      new Map(parameters.map((one) => resolved(document, one)).map((one) => [`${one.in} ${one.name}`, one]))
    const [before, after] = [keyed(this.#from, this.#documents.before), keyed(this.#to, this.#documents.after)]
    const lines = [...before.keys()].filter((key) => !after.has(key)).map((key) => `parameter ${key} is gone`)
    for (const [key, to] of after) {
      const from = before.get(key)
      if (to.required === true && from?.required !== true) lines.push(`parameter ${key} is required`)
      if (from !== undefined) lines.push(...this.#sent(`parameter ${key}`, from.schema, to.schema))
    }
    return lines
  }

  #body(): string[] {
    const [from, to] = [this.#from.requestBody, this.#to.requestBody]
    const required = to?.required === true && from?.required !== true ? ['body is required'] : []
    return [
      ...required,
      ...contents(from?.content, to?.content).flatMap(([type, before, after]) =>
        after === undefined ? `body ${type} is gone` : this.#sent('body', before.schema, after.schema),
      ),
    ]
  }

  #answers(): string[] {
    return Object.entries(this.#from.responses).flatMap(([status, unresolved]) => {
      const found = this.#to.responses[status]
      // A problem that does not come any more is missed by nobody.
      if (found === undefined) return Number(status) < 400 ? [`answer ${status} is gone`] : []
      const from = resolved(this.#documents.before, unresolved)
      const to = resolved(this.#documents.after, found)
      return contents(from.content, to.content).flatMap(([type, before, after]) =>
        after === undefined ? `answer ${status} ${type} is gone` : this.#read(status, before.schema, after.schema),
      )
    })
  }

  #sent(what: string, before: Schema | undefined, after: Schema | undefined): string[] {
    const breaks = new Set(['narrower', 'other', 'inputBreaks'])
    return schemaChanges(before, after, this.#documents)
      .filter(({ effect }) => breaks.has(effect))
      .map(({ text }) => `${what}: ${text}`)
  }

  #read(status: string, before: Schema | undefined, after: Schema | undefined): string[] {
    const breaks = new Set(['wider', 'other', 'outputBreaks'])
    return schemaChanges(before, after, this.#documents)
      .filter(({ effect, isOfValue }) => (isOfValue === true ? effect === 'narrower' : breaks.has(effect)))
      .map(({ text }) => `answer ${status}: ${text}`)
  }
}

/** The media types of `before`, with what both documents say of them. */
function contents(before: Content = {}, after: Content = {}): [string, Content[string], Content[string] | undefined][] {
  return Object.entries(before).map(([type, content]) => [type, content, after[type]])
}

/** What a reference such as `#/components/parameters/Limit` refers to. */
function resolved<Part extends object>(document: Schema, part: Part): Part {
  const { $ref } = part as { $ref?: string }
  if ($ref === undefined) return part
  const [, ...keys] = $ref.split('/')
  return keys.reduce<unknown>((inner, key) => (inner as Schema)[key], document) as Part
}
