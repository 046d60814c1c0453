/** @hey-api/openapi-ts: a function for each operation. */
import type { Answer, Problem, Sdk } from '../sdk.ts'
import * as api from './generated/client/sdk.gen.js'
import { createClient } from './generated/client/client/index.js'

export function createSdk(url: string): Sdk {
  const client = createClient({ baseUrl: url })
  // It reads server-sent events, and does not ask for them.
  const streams = createClient({ baseUrl: url, headers: { accept: 'text/event-stream' } })
  return {
    find: async (body) => answer(await api.callGalleryFind({ client, body })),
    list: async () => answer(await api.callGalleryList({ client })),
    invert: async (body) => answer(await api.callGalleryInvert({ client, body, parseAs: 'blob' })),
    async *words(caption) {
      const { stream } = await api.callGalleryWords({ client: streams, body: { caption } })
      // Its last item is the `null` of the event that ends the stream.
      for await (const item of stream) if (item) yield item
    },
    castFind: async (id, key) =>
      answer(await api.castGalleryFind({ client, body: { id }, headers: { 'idempotency-key': key } })),
    castRender: async (id) => answer(await api.castGalleryRender({ client, body: { id } })),
    wait: async (id, seconds) =>
      answer(await api.getJob({ client, path: { id }, headers: { prefer: `wait=${seconds}` } })),
    cancel: async (id) => answer(await api.cancelJob({ client, path: { id } })),
    stop: async (service) => answer(await api.stopService({ client, path: { service } })),
  }
}

function answer<Data>(of: { data?: Data; error?: Problem; response: Response | undefined }): Answer<Data> {
  return { status: of.response?.status ?? 0, data: of.data, problem: of.error }
}
