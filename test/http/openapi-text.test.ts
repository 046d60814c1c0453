/** The OpenAPI document: what it says of odd schemas and of methods that take bytes, and that it is made in slices. */
import t from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import type { ServiceDescription } from '../../src/contract/description.ts'
import type { OpenApiDocument } from '../../src/http/openapi-operations.ts'
import { OpenApiText } from '../../src/http/openapi-text.ts'
import { bytes } from '../../src/module/bytes.ts'
import { defineService, method, type MethodDefinition } from '../../src/module/define-service.ts'
import { describeService } from '../../src/module/describe-service.ts'

const problem = (description: string) => ({ description })
const parameters = ['prefer', 'idempotency-key', 'request-timeout'].map((name) => ({ in: 'header', name }))
const post = (operationId: string) => ({
  post: { operationId, parameters, responses: { 200: problem('ok'), 202: problem('accepted'), 404: problem('none') } },
})
const base = () =>
  ({
    openapi: '3.1.0',
    paths: {
      '/v1/services/{service}/call/{method}': post('call'),
      '/v1/services/{service}/cast/{method}': post('cast'),
    },
    components: { schemas: {} },
    tags: [],
  }) as unknown as OpenApiDocument

const handler = () => null
const describe = (methods: Record<string, MethodDefinition>) => describeService(defineService({ methods }))

async function documentOf(description: ServiceDescription) {
  const text = new OpenApiText(base, () => [{ name: 'odd', description }])
  const [json, yaml] = await Promise.all([text.json(), text.yaml()])
  const document = JSON.parse(json.toString()) as OpenApiDocument
  t.strictSame(parse(yaml.toString()), document, 'YAML says the same')
  return document as any
}

t.test('every reference leads to its schema, whatever the ids are', async (t) => {
  const ids = ['a/b', 'a~b', 'a%b', 'User v1', 'User_v1', 'ä ö', 'x"y']
  const parts = Object.fromEntries(ids.map((id, at) => [`p${at}`, z.object({ [`key${at}`]: z.int() }).meta({ id })]))
  const { paths, components } = await documentOf(describe({ run: method({ input: z.object(parts), handler }) }))
  const at = (ref: string) => components.schemas[ref.replace('#/components/schemas/', '')]
  const { schema } = paths['/v1/services/odd/call/run'].post.requestBody.content['application/json']
  const { properties } = at(schema.$ref)
  for (const index of ids.keys()) {
    t.match(at(properties[`p${index}`].$ref), { properties: { [`key${index}`]: { type: 'integer' } } }, `${ids[index]}`)
  }
})

t.test('data that looks like a reference is left as it is, and a recursive schema refers to itself', async (t) => {
  const data = { $ref: '#' }
  const node = z.object({
    example: z.string().meta({ examples: [data], note: data }),
    default: z.unknown().default(data),
    get next() {
      return node.optional()
    },
  })
  const { components } = await documentOf(describe({ run: method({ input: node, handler }) }))
  const { properties } = components.schemas.OddRunInput
  t.strictSame(properties.example.examples, [data])
  t.strictSame(properties.example.note, data)
  t.strictSame(properties.default.default, data)
  t.equal(properties.next.$ref, '#/components/schemas/OddRunInput')
})

t.test('a call that takes bytes needs a body, and cannot become a job', async (t) => {
  const { paths, components } = await documentOf(describe({ run: method({ input: bytes(), handler }) }))
  const { requestBody, responses, parameters } = paths['/v1/services/odd/call/run'].post
  t.equal(requestBody.required, true)
  t.strictSame(Object.keys(responses), ['200', '404'])
  t.strictSame(parameters, [{ $ref: '#/components/parameters/RequestTimeout' }])
  t.strictSame(components.parameters.RequestTimeout, { in: 'header', name: 'request-timeout' })
  t.notOk(paths['/v1/services/odd/cast/run'])
})

t.test('the document of many methods is made in slices, once for all who ask, and anew after a change', async (t) => {
  const { run } = describe({ run: method({ input: z.object({ a: z.string() }), handler }) }).methods
  const description = {
    options: {},
    methods: Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`run-${at}`, run])),
  } as ServiceDescription
  let services = [{ name: 'many', description }]
  const text = new OpenApiText(base, () => services)
  let turns = 0
  const turn = () => {
    turns += 1
    next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  const [first, second] = await Promise.all([text.json(), text.json()])
  clearImmediate(next)
  t.ok(turns > 5, `${turns} turns of the event loop`)
  t.equal(first, second)
  t.equal(await text.json(), first)
  const ids = Object.values((JSON.parse(first.toString()) as OpenApiDocument).paths).map(
    ({ post }) => post?.operationId,
  )
  t.equal(new Set(ids).size, 2 + 2 * 2_000)
  services = []
  t.not(await text.json(), first)
})

t.test('a document that could not be made is made again for the next request', async (t) => {
  let fails = true
  const text = new OpenApiText(
    () => {
      if (fails) throw new Error('not yet')
      return base()
    },
    () => [],
  )
  await t.rejects(text.json(), { message: 'not yet' })
  fails = false
  t.match((await text.json()).toString(), /^\{"openapi":"3\.1\.0"/)
})
