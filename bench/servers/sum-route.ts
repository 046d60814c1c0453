/** The route that the peers have in common: Fastify with its own validation and serialisation, both by JSON Schema. */
import Fastify from 'fastify'
import type { Add, Numbers, Sum } from '../pools/pools.ts'

/** Listens on PORT. */
export async function serveSum(add: Add | ((numbers: Numbers) => Sum)): Promise<void> {
  const app = Fastify()
  const number = { type: 'number' }
  app.post<{ Body: Numbers }>('/add', {
    schema: {
      body: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } },
      response: { 200: { type: 'object', required: ['sum'], properties: { sum: number } } },
    },
    handler: (request, reply) => {
      const sum = add(request.body)
      if ('sum' in sum) return reply.send(sum)
      sum.then(
        (value) => reply.send(value),
        (error: unknown) => reply.send(error),
      )
      return reply
    },
  })
  app.get('/readyz', async () => ({ ready: true }))
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}
