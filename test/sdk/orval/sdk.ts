/** orval: a function for each operation. Its client reads every answer as JSON, so bytes and streams are fetched by hand. */
import type { Answer, Problem, Sdk } from '../sdk.ts'
import * as api from './generated/client.ts'

export function createSdk(url: string): Sdk {
  // The base URL that orval.config.ts has.
  process.env.THREADPLANE_URL = url
  return {
    find: async (input) => answer(await api.callGalleryFind(input)),
    list: async () => answer(await api.callGalleryList({})),
    invert: async (body) => {
      const headers = { 'content-type': 'image/png' }
      const response = await fetch(api.getCallGalleryInvertUrl(), { method: 'POST', headers, body })
      return { status: response.status, data: await response.blob() }
    },
    async *words(caption) {
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ caption } satisfies api.GalleryWordsInput)
      const response = await fetch(api.getCallGalleryWordsUrl(), { method: 'POST', headers, body })
      for (const line of (await response.text()).split('\n').filter(Boolean)) yield JSON.parse(line)
    },
    castFind: async (id, key) => answer(await api.castGalleryFind({ id }, {}, { headers: { 'idempotency-key': key } })),
    castRender: async (id) => answer(await api.castGalleryRender({ id })),
    wait: async (id, seconds) => answer(await api.getJob(id, { headers: { prefer: `wait=${seconds}` } })),
    cancel: async (id) => answer(await api.cancelJob(id)),
    stop: async (service) => answer(await api.stopService(service)),
  }
}

function answer<Data>({ status, data }: { status: number; data: Data | Problem }): Answer<Exclude<Data, Problem>> {
  return status < 400 ? { status, data: data as Exclude<Data, Problem> } : { status, problem: data as Problem }
}
