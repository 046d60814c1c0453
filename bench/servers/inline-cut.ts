/** The same as workers/sized/cut.ts, inline. */
import Fastify from 'fastify'

const app = Fastify({ bodyLimit: 10 * 1024 * 1024 })
const text = { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
app.post<{ Body: { text: string } }>('/tenth', {
  schema: { body: text, response: { 200: text } },
  handler: ({ body: { text } }, reply) => reply.send({ text: text.slice(0, text.length / 10) }),
})
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post<{ Body: Buffer }>('/tenthOfBytes', ({ body }, reply) => reply.send(body.subarray(0, body.byteLength / 10)))
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
