/**
 * `fetch` over `node:http`, for the client of a command. Node's own compiles its parser at the first request, in threads of
 * its own: half of the CPU time that a short command takes.
 */
import http from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { ClientOptions } from '../client/index.ts'

/** The Fetch standard gives them no body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** Sends texts and bytes. What it is rejected with has the `code` of the failure. */
export const httpFetch: NonNullable<ClientOptions['fetch']> = async (url, { method, headers, body, signal }) => {
  const { request: send } = url.startsWith('https:') ? await import('node:https') : http
  return new Promise((resolve, reject) => {
    const options = { method, headers: Object.fromEntries(new Headers(headers)), ...(signal != null && { signal }) }
    const request = send(url, options as http.RequestOptions)
    request.once('error', reject)
    request.once('response', (answer) => resolve(responseOf(answer)))
    request.end(body as string | Uint8Array | undefined)
  })
}

function responseOf(answer: http.IncomingMessage): Response {
  const { statusCode: status = 0 } = answer
  const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  )
  if (!WITHOUT_BODY.has(status)) {
    return new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, { status, headers })
  }
  answer.resume()
  return new Response(null, { status, headers })
}
