/** A client that follows a stream of lines of JSON: of events, or of the log. */
import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { type TestServer, within } from './http-helper.ts'

export class LineStream<Line> {
  readonly lines: Line[] = []
  readonly request: ClientRequest
  readonly response: IncomingMessage
  /** Resolves when the stream has ended, or was cut. */
  readonly ended: Promise<unknown>
  #watch = () => {}

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.request = request
    this.response = response
    this.ended = new Promise((resolve) => response.once('close', resolve))
    const lines = createInterface({ input: response })
    // When the stream is cut.
    for (const emitter of [response, lines]) emitter.on('error', () => {})
    lines.on('line', (line) => {
      if (line !== '') this.lines.push(JSON.parse(line) as Line)
      this.#watch()
    })
  }

  /** Opens a stream, which is closed after the test. */
  static async open<Line>(t: Test, { port }: TestServer, path: string, headers = {}): Promise<LineStream<Line>> {
    const accept = { accept: 'application/x-ndjson', ...headers }
    const request = get({ port, path, headers: accept, agent: false })
    request.on('error', () => {})
    t.teardown(() => request.destroy())
    const [response] = (await within(once(request, 'response'), 'the answer')) as [IncomingMessage]
    return new LineStream<Line>(request, response)
  }

  /** The first line that matches, as soon as it is there. */
  async has(matches: (line: Line) => boolean): Promise<Line> {
    const found = new Promise<Line>((resolve) => {
      this.#watch = () => {
        const line = this.lines.find(matches)
        if (line !== undefined) resolve(line)
      }
      this.#watch()
    })
    return within(found, `a line: there are ${JSON.stringify(this.lines).slice(0, 2_000)}`)
  }
}
