/**
 * How Fastify compiles the JSON Schemas of routes. They describe the routes in the OpenAPI document, and they check
 * bodies and queries:
 *
 * - A body is checked as it is. Coercion would turn 3 into [3].
 * - The values of a query are strings, so they are coerced to the types of the schema. A number must be decimal digits:
 *   Ajv would also take `0x10`, `1e3` and blanks.
 * - Headers and path parameters are not checked: they are strings, and their schemas ask for no more.
 * - Answers are not filtered by their schemas: the types of the code say what an answer contains.
 *
 * A schema is compiled at its first use. To compile all of them took most of the time of a server's start.
 */
import { Ajv, type AnySchema, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifySchema, FastifySchemaCompiler } from 'fastify'

interface RouteSchema {
  schema: AnySchema
  httpPart?: string
}

interface QuerySchema {
  properties?: Record<string, { type?: string }>
}

interface Validator {
  (data: unknown): boolean
  errors: ValidateFunction['errors']
}

interface SchemaCompilers {
  validatorCompiler: FastifySchemaCompiler<FastifySchema>
  serializerCompiler: NonNullable<FastifyInstance['serializerCompiler']>
}

/** @param shared schemas that other schemas refer to by `$id` */
export function schemaCompilers(shared: AnySchema[]): SchemaCompilers {
  const compiler = (coerceTypes: boolean) => {
    let ajv: Ajv | undefined
    const create = () => {
      const created = new Ajv({ coerceTypes, useDefaults: true, removeAdditional: false, strict: false })
      addFormats.default(created)
      return created.addSchema(shared)
    }
    return (schema: AnySchema) => compileLazily(() => (ajv ??= create()).compile(schema))
  }
  const compileStrict = compiler(false)
  const compileCoercing = compiler(true)
  return {
    validatorCompiler: ((route: RouteSchema) => {
      const { schema, httpPart } = route
      if (httpPart === 'params' || httpPart === 'headers') return () => true
      if (httpPart === 'body') return compileStrict(schema)
      return withDecimalNumbers(schema as QuerySchema, compileCoercing(schema))
    }) as unknown as FastifySchemaCompiler<FastifySchema>,
    serializerCompiler: () => (answer: unknown) => JSON.stringify(answer),
  }
}

const DECIMAL = /^-?\d{1,20}(\.\d{1,20})?$/

function withDecimalNumbers({ properties = {} }: QuerySchema, validate: Validator): Validator {
  const numbers = Object.keys(properties).filter((name) => /^(integer|number)$/.test(properties[name]?.type ?? ''))
  if (numbers.length === 0) return validate
  const validator: Validator = (query) => {
    const values = query as Record<string, unknown>
    const wrong = numbers.find((name) => typeof values[name] === 'string' && !DECIMAL.test(values[name]))
    if (wrong === undefined) {
      const isValid = validate(query)
      validator.errors = validate.errors
      return isValid
    }
    const message = 'must be a number in decimal digits'
    validator.errors = [{ instancePath: `/${wrong}`, schemaPath: '', keyword: 'type', params: {}, message }]
    return false
  }
  validator.errors = null
  return validator
}

function compileLazily(compile: () => ValidateFunction): Validator {
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
