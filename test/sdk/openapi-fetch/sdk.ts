/** openapi-typescript and openapi-fetch: types from the document, and one small client for all of them. */
import createClient from 'openapi-fetch'
import type { Answer, Problem, Sdk } from '../sdk.ts'
import type { paths } from './generated/schema.ts'

export function createSdk(url: string): Sdk {
  const { GET: get, POST: post } = createClient<paths>({ baseUrl: url })
  return {
    find: async (body) => answer(await post('/v1/services/gallery/call/find', { body })),
    list: async () => answer(await post('/v1/services/gallery/call/list', {})),
    invert: async (body) =>
      answer(
        await post('/v1/services/gallery/call/invert', {
          body,
          bodySerializer: (bytes) => bytes,
          headers: { 'content-type': 'image/png' },
          parseAs: 'blob',
        }),
      ),
    async *words(caption) {
      const { data } = await post('/v1/services/gallery/call/words', {
        body: { caption },
        headers: { accept: 'application/x-ndjson' },
        parseAs: 'stream',
      })
      if (data) yield* lines<{ word: string }>(data)
    },
    castFind: async (id, key) =>
      answer(
        await post('/v1/services/gallery/cast/find', { body: { id }, params: { header: { 'idempotency-key': key } } }),
      ),
    castRender: async (id) => answer(await post('/v1/services/gallery/cast/render', { body: { id } })),
    wait: async (id, seconds) =>
      answer(await get('/v1/jobs/{id}', { params: { path: { id }, header: { prefer: `wait=${seconds}` } } })),
    cancel: async (id) => answer(await post('/v1/jobs/{id}/cancel', { params: { path: { id } } })),
    stop: async (service) => answer(await post('/v1/services/{service}/stop', { params: { path: { service } } })),
  }
}

function answer<Data>(of: { data?: Data; error?: Problem; response: Response }): Answer<Data> {
  return { status: of.response.status, data: of.data, problem: of.error }
}

/** The items of a stream, one a line. */
async function* lines<Item>(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Item> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of bytes) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) yield JSON.parse(part) as Item
  }
}
