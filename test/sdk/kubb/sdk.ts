/** kubb: a function for each operation. Its own `fetch` reads every answer as JSON, so this has one for bytes and streams too. */
import type { Client, ResponseConfig } from '@kubb/plugin-client/clients/fetch'
import type { Answer, Problem, Sdk } from '../sdk.ts'
import * as api from './generated/client/index.ts'

export function createSdk(url: string): Sdk {
  const client = clientOf(url)
  return {
    find: async (input) => answer(await api.callGalleryFind(input, {}, { client })),
    list: async () => answer(await api.callGalleryList(undefined, {}, { client })),
    invert: async (image) => answer(await api.callGalleryInvert(image, {}, { client })),
    async *words(caption) {
      const { data } = await api.callGalleryWords({ caption }, {}, { client, responseType: 'text' })
      for (const line of String(data).split('\n').filter(Boolean)) yield JSON.parse(line)
    },
    castFind: async (id, key) =>
      answer(await api.castGalleryFind({ id }, undefined, { 'idempotency-key': key }, { client })),
    castRender: async (id) => answer(await api.castGalleryRender({ id }, undefined, {}, { client })),
    wait: async (id, seconds) => answer(await api.getJob(id, { prefer: `wait=${seconds}` }, { client })),
    cancel: async (id) => answer(await api.cancelJob(id, { client })),
    stop: async (service) => answer(await api.stopService(service, undefined, { client })),
  }
}

function clientOf(base: string): Client {
  return async <Data>({ url = '', method = 'GET', data, headers = {}, responseType }: Parameters<Client>[0]) => {
    const body = data instanceof Blob ? data : JSON.stringify(data)
    const contentType: Record<string, string> =
      data === undefined || data instanceof Blob ? {} : { 'content-type': 'application/json' }
    const response = await fetch(base + url, {
      method,
      headers: { ...contentType, ...Object.fromEntries(Object.entries(headers)) },
      ...(body !== undefined && { body }),
    })
    const isJson = /json$|json;/.test(response.headers.get('content-type') ?? '') && responseType !== 'text'
    const content = isJson ? response.json() : responseType === 'text' ? response.text() : response.blob()
    const { status, statusText } = response
    return {
      data: (await content) as Data,
      status,
      statusText,
      headers: response.headers,
    } satisfies ResponseConfig<Data>
  }
}

function answer<Data>({ status, data }: { status: number; data: Data }): Answer<Data> {
  return status < 400 ? { status, data } : { status, problem: data as Problem }
}
