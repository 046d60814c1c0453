/** Reads `text/event-stream`: the format of events, of lines of the log, and of the items of a method that streams. */

/** A longer message is an error: the client keeps at most this much of one that is not complete. In characters. */
const MAX_MESSAGE_CHARS = 64 * 1024 * 1024

export interface StreamMessage {
  /** Where to go on after this message; `undefined` if the stream has no ids. */
  id: string | undefined
  /** `message` where the stream names none. */
  event: string
  data: string
}

/**
 * The messages of a body, until its end. To leave early closes the connection.
 * @param onBytes called whenever something arrives, also a heartbeat
 * @throws what the body fails with
 */
export async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<StreamMessage, void, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let id: string | undefined
  let event = 'message'
  let data: string | undefined
  let pieces: string[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      onBytes()
      const text = decoder.decode(value, { stream: true })
      const end = text.lastIndexOf('\n')
      length += text.length
      if (length > MAX_MESSAGE_CHARS) throw new RangeError(`a message is longer than ${MAX_MESSAGE_CHARS} characters`)
      pieces.push(end === -1 ? text : text.slice(0, end))
      if (end === -1) continue
      const lines = pieces.join('').split(/\r?\n/)
      pieces = [text.slice(end + 1)]
      length = text.length - end - 1
      for (const line of lines) {
        if (line === '') {
          if (data !== undefined) yield { id, event, data }
          event = 'message'
          data = undefined
          continue
        }
        const [, name, content = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
        if (name === 'id') id = content
        else if (name === 'event') event = content
        else if (name === 'data') data = data === undefined ? content : `${data}\n${content}`
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
