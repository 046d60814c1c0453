/** What a user would write instead of a cast: a route that adds to a BullMQ queue, with Fastify's own validation. */
import Fastify from 'fastify'
import { requirePeer } from '../peers.ts'

interface BullQueue {
  add: (name: string, data: unknown) => Promise<{ id: string }>
}

const { Queue } = requirePeer('bullmq') as { Queue: new (name: string, options: unknown) => BullQueue }
const queue = new Queue('adder', { connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } })
const app = Fastify()
const number = { type: 'number' }
app.post('/add', {
  schema: { body: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } } },
  handler: async ({ body }, reply) => {
    const { id } = await queue.add('add', body)
    return reply.code(202).send({ id })
  },
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
