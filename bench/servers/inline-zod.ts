/** The function inline, validated by zod on both sides, as a service's method is. */
import Fastify from 'fastify'
import { z } from 'zod'

const app = Fastify()
app.setValidatorCompiler(({ schema }) => (payload: unknown) => {
  const { data, error } = (schema as z.ZodType).safeParse(payload)
  return error ? { error } : { value: data }
})
app.setSerializerCompiler(
  ({ schema }) =>
    (result: unknown) =>
      JSON.stringify((schema as z.ZodType).parse(result)),
)
const body = z.object({ a: z.number(), b: z.number() })
app.post<{ Body: z.infer<typeof body> }>('/add', {
  schema: { body, response: { 200: z.object({ sum: z.number() }) } },
  handler: ({ body: { a, b } }, reply) => reply.send({ sum: a + b }),
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
