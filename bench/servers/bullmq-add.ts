/** What a user would write instead of a cast: a route that adds to a BullMQ queue, with Fastify's own validation. */
import Fastify from 'fastify'
import { Queue } from './bullmq.ts'
import { startRedis } from './redis.ts'

const queue = new Queue('adder', { connection: await startRedis(process.env.FOLDER ?? '', 'durable') })
const app = Fastify()
const number = { type: 'number' }
app.post('/add', {
  schema: { body: { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } } },
  handler: async ({ body }, reply) => {
    const { id } = await queue.add('add', body)
    return reply.code(202).send({ id })
  },
})
/** The number of accepted jobs. */
app.get('/count', async () => {
  const { waiting = 0 } = await queue.getJobCounts('waiting')
  return { waiting }
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
