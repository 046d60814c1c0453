/** Reads the body of an answer that is a stream of parts, such as lines. */

/**
 * The parts that end in one network packet, together, so that they are drawn together; without empty ones. What follows the
 * last separator is left out. To leave early closes the connection.
 */
export async function* partsOf(
  body: ReadableStream<Uint8Array>,
  separator: string,
): AsyncGenerator<string[], void, void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const parts = (rest + value).split(separator)
      rest = parts.pop() ?? ''
      yield parts.filter((part) => part !== '')
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
