/** How events are written: server-sent events, or a line of JSON each. Pure. */

export interface StreamFormat {
  contentType: string
  /** Before the first event. */
  preamble: string
  event: (id: string, json: string) => string
  /** Shows that the stream lives, and says nothing. */
  heartbeat: string
}

/** How soon a browser connects again, in milliseconds. */
const RETRY_MS = 2_000

export const SSE: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  preamble: `retry: ${RETRY_MS}\n\n`,
  // Without a field `event`, as the type is in the data: so a browser hands all of them to `onmessage`.
  event: (id, json) => `id: ${id}\ndata: ${json}\n\n`,
  heartbeat: ': still here\n\n',
}

export const LINES: StreamFormat = {
  contentType: 'application/x-ndjson',
  preamble: '',
  event: (_id, json) => `${json}\n`,
  heartbeat: '\n',
}
