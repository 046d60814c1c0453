/**
 * Turns the output of a service's process into lines of the log, bounded (P5). It comes from native code, from Node's
 * warnings, and from V8 before it aborts; the service's JavaScript has another way to the log.
 */
import type { Readable } from 'node:stream'

const MAX_LINE_CHARS = 8_192
const MAX_LINES_PER_SECOND = 100
/**
 * At this rate the stream is paused, so that the writer waits: to read more would take all time of the control thread.
 */
const MAX_CHARS_PER_SECOND = 1024 * 1024
/** How V8 and Node begin the line that says why the process aborts. */
const FATAL_LINE = /^(?:FATAL ERROR: |# Fatal error|# Check failed: |\w*Error: )/

export class NativeOutput {
  /** The line that says why the process aborts, if there was one. */
  fatalLine: string | undefined
  readonly #write: (line: string, dropped?: number) => void
  #windowEndsAt = 0
  #lines = 0

  /** @param write `dropped`: how many lines were, if the line says so */
  constructor(streams: Readable[], write: (line: string, dropped?: number) => void) {
    this.#write = write
    for (const stream of streams) this.#read(stream)
  }

  #read(stream: Readable): void {
    let rest = ''
    let windowEndsAt = 0
    let chars = 0
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const now = performance.now()
      if (now >= windowEndsAt) {
        windowEndsAt = now + 1_000
        chars = 0
      }
      chars += text.length
      if (chars > MAX_CHARS_PER_SECOND) {
        stream.pause()
        setTimeout(() => stream.resume(), windowEndsAt - now).unref()
      }
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS)
      for (const line of lines) this.#line(line.slice(0, MAX_LINE_CHARS))
    })
    stream.on('end', () => {
      this.#line(rest)
      this.#tellDropped()
    })
  }

  #line(line: string): void {
    if (line === '') return
    if (FATAL_LINE.test(line)) this.fatalLine ??= line
    const now = performance.now()
    if (now >= this.#windowEndsAt) {
      this.#tellDropped()
      this.#windowEndsAt = now + 1_000
    }
    this.#lines += 1
    if (this.#lines <= MAX_LINES_PER_SECOND) this.#write(line)
  }

  #tellDropped(): void {
    const dropped = this.#lines - MAX_LINES_PER_SECOND
    this.#lines = 0
    if (dropped <= 0) return
    this.#write(`${dropped} lines were dropped: at most ${MAX_LINES_PER_SECOND} a second are kept`, dropped)
  }
}
