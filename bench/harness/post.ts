/** One POST of a client. Uses node:http: the warm-up of `fetch` takes longer than a round of kills. */
import { once } from 'node:events'
import { type Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Answer {
  status: number
  body: string
}

/** @throws Error if no whole answer comes, at the latest when the signal aborts */
export async function post(
  agent: Agent,
  url: string,
  payload: unknown,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  const sent = request(url, {
    agent,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(signal !== undefined && { signal }),
  })
  sent.end(JSON.stringify(payload))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: await text(response) }
}
