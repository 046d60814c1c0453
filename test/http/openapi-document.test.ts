/** The OpenAPI document as a reader sees it: each operation is explained, with an example that its schema accepts. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t from 'tap'
import { serve } from '../http-helper.ts'

interface Operation {
  operationId: string
  summary?: string
  description?: string
  tags: string[]
  requestBody?: { content: Content }
  responses: Record<string, { $ref?: string; content?: Content }>
}
type Content = Record<string, { schema: object; example?: unknown }>

t.test('the document', async (t) => {
  const server = await serve(t, { services: { rich: 'rich', echo: 'echo', bytes: 'bytes', streams: 'streams' } })
  const { json: document } = await server.get('/openapi.json')
  const paths = Object.entries(document.paths as Record<string, Record<string, Operation>>)
  const operations = paths.flatMap(([path, methods]) => Object.values(methods).map((one) => ({ path, ...one })))
  const own = operations.filter(({ tags }) => !tags.some((tag) => tag.startsWith('service ')))

  const ajv = new Ajv2020({ strict: false })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'document', ...document })
  const accepts = (schema: object) =>
    ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/')))

  await t.test('each operation says what it does, and its tag is described', async (t) => {
    const described = new Set(document.tags.map(({ name }: { name: string }) => name))
    for (const { operationId, summary, description, tags } of operations) {
      t.ok(summary && description, `${operationId}: summary and description`)
      for (const tag of tags) t.ok(described.has(tag), `${operationId}: ${tag}`)
    }
    const { description } = document.paths['/v1/services/echo/cast/any'].post
    t.match(description, 'It has 3 attempts, and each may run for 30000 ms')
  })

  await t.test('its page has the name of the product, and a field to choose a service', async (t) => {
    const { text } = await server.get('/docs/static/swagger-initializer.js')
    t.match(text, /"filter":true/)
    const [, image = ''] = /data:image\/svg\+xml;base64,([\w+/=]+)/.exec(text) ?? []
    t.match(Buffer.from(image, 'base64').toString(), />threadplane</)
  })

  await t.test('each operation of the server has an example that is right', async (t) => {
    for (const { operationId, requestBody, responses } of own) {
      const [status, success] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? []
      for (const content of [requestBody?.content, success?.content]) {
        for (const [type, { schema, example }] of Object.entries(content ?? {})) {
          if (type !== 'application/json') continue
          const ref = (schema as { $ref?: string }).$ref?.split('/').pop()
          const shown = example ?? (ref && document.components.schemas[ref].examples?.[0])
          const check = accepts(schema)
          t.ok(shown !== undefined && check(shown), `${operationId} ${status}: an example`, { errors: check.errors })
        }
      }
    }
    const { Problem } = document.components.schemas
    t.ok(accepts({ $ref: '#/components/schemas/Problem' })(Problem.examples[0]), 'Problem')
  })

  await t.test('problems are said once, and each operation lists its codes', async (t) => {
    for (const { operationId, responses } of operations) {
      for (const [status, answer] of Object.entries(responses)) {
        if (Number(status) < 400 || answer.content !== undefined) continue
        t.match(answer, { $ref: /^#\/components\/responses\//, description: /^[A-Z_]+/ }, `${operationId} ${status}`)
      }
    }
  })

  await t.test('services come first, and the jobs of a method have its result', async (t) => {
    t.match(document.tags[0], { name: 'service bytes' })
    const cast = document.paths['/v1/services/echo/cast/any'].post
    t.same(cast.responses[202].content['application/json'].schema, { $ref: '#/components/schemas/EchoAnyJob' })
    t.match(document.components.schemas.EchoAnyJob.allOf, [{ $ref: '#/components/schemas/Job' }, { properties: {} }])
    t.match(document.paths['/v1/services/{service}/call/{method}'].post, { operationId: 'callMethod' })
    t.match(document.paths['/v1/services/{service}/cast/{method}'].post, { operationId: 'castMethod' })
  })

  await t.test('the document of one service has its operations, and those of no other', async (t) => {
    const { json } = await server.get('/v1/services/echo/openapi.json')
    const services = new Set(Object.keys(json.paths).map((path) => /^\/v1\/services\/(\w+)\/call/.exec(path)?.[1]))
    t.same([...services].filter(Boolean), ['echo'])
    t.match(await server.get('/v1/services/none/openapi.json'), { status: 404, json: { code: 'SERVICE_NOT_FOUND' } })
  })
})
