/** The route that the peers have in common: Fastify with its own validation and serialisation, both by JSON Schema. */
import Fastify from 'fastify'

type Numbers = { a: number; b: number }

/** Listens on PORT. */
export async function serveSum(add: (numbers: Numbers) => { sum: number } | Promise<{ sum: number }>): Promise<void> {
  const app = Fastify()
  const number = { type: 'number' }
  app.post<{ Body: Numbers }>('/add', {
    schema: {
      body: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } },
      response: { 200: { type: 'object', required: ['sum'], properties: { sum: number } } },
    },
    handler: (request, reply) => {
      const sum = add(request.body)
      if (!(sum instanceof Promise)) return reply.send(sum)
      sum.then(
        (value) => reply.send(value),
        (error: unknown) => reply.send(error),
      )
      return reply
    },
  })
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}
