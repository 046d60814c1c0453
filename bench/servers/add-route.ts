/** The route that queues have in common, instead of a cast: it adds a job, after Fastify's own validation. */
import Fastify from 'fastify'
import type { Numbers } from '../pools/pools.ts'

/**
 * Listens on PORT.
 *
 * @param add stores a job, and resolves with its id
 * @param stored counts the jobs that are stored
 */
export async function serveAdd(
  add: (numbers: Numbers) => Promise<string | null>,
  stored: () => Promise<number>,
): Promise<void> {
  const app = Fastify()
  const number = { type: 'number' }
  app.post<{ Body: Numbers }>('/add', {
    schema: { body: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } } },
    handler: async ({ body }, reply) => reply.code(202).send({ id: await add(body) }),
  })
  app.get('/stored', async () => ({ stored: await stored() }))
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}
