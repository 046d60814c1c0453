/** The service that adds. */
import Fastify from 'fastify'

export function create() {
  const app = Fastify()
  const number = { type: 'number' }
  app.post('/add', {
    schema: { response: { 200: { type: 'object', required: ['sum'], properties: { sum: number } } } },
    handler: async ({ body: { a, b } }) => ({ sum: a + b }),
  })
  return app
}
