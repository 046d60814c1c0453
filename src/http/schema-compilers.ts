/**
 * What becomes of the JSON Schemas of routes: they say what is in the OpenAPI document, and check bodies and queries.
 *
 * A body is taken as it is: Ajv would turn 3 into [3]. Query strings are text, and have to be read as what they say.
 * Headers and parts of the path are text too, and their schemas say no more than that: there is nothing to check.
 * Answers are what their types say: there is nothing to filter.
 *
 * Each is compiled when it is first needed: to compile them all was most of what a start took.
 */
import { Ajv, type AnySchema, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyServerOptions } from 'fastify'

type SchemaController = NonNullable<FastifyServerOptions['schemaController']>
type CompilersFactory = NonNullable<SchemaController['compilersFactory']>

interface RouteSchema {
  schema: AnySchema
  httpPart?: string
}

/** @param shared schemas that others refer to by their `$id` */
export function schemaCompilers(shared: AnySchema[]): SchemaController {
  const compiler = (coerceTypes: boolean) => {
    let ajv: Ajv | undefined
    const create = () => {
      const created = new Ajv({ coerceTypes, useDefaults: true, removeAdditional: false, strict: false })
      addFormats.default(created)
      return created.addSchema(shared)
    }
    return (schema: AnySchema) => compiledLater(() => (ajv ??= create()).compile(schema))
  }
  const asItIs = compiler(false)
  const asText = compiler(true)
  return {
    compilersFactory: {
      buildValidator: (() => (route: RouteSchema) => {
        const { schema, httpPart } = route
        if (httpPart === 'params' || httpPart === 'headers') return () => true
        return (httpPart === 'body' ? asItIs : asText)(schema)
      }) as unknown as NonNullable<CompilersFactory['buildValidator']>,
      buildSerializer: () => () => (answer: unknown) => JSON.stringify(answer),
    },
  }
}

function compiledLater(compile: () => ValidateFunction) {
  let validate: ValidateFunction | undefined
  const validator = (data: unknown): boolean => {
    validate ??= compile()
    const isValid = validate(data)
    validator.errors = validate.errors
    return isValid
  }
  validator.errors = null as ValidateFunction['errors']
  return validator
}
