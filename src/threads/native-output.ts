/**
 * What a service's process writes to stdout and stderr beside its thread's JavaScript, which has a way of its own: native
 * code, Node's warnings, and the last words of V8. Lines of the log, bounded (P5).
 */
import type { Readable } from 'node:stream'

const MAX_LINE_CHARS = 8_192
const MAX_LINES_PER_SECOND = 100
/** Whoever writes more has to wait: reading it all would be the control thread's whole occupation. */
const MAX_CHARS_PER_SECOND = 1024 * 1024
const LAST_WORDS = /^(?:FATAL ERROR: |# Fatal error|# Check failed: |\w*Error: )/

export class NativeOutput {
  /** The line that says why the process ends, if there is one. */
  lastWords: string | undefined
  readonly #write: (line: string) => void
  #windowEndsAt = 0
  #lines = 0

  constructor(streams: Readable[], write: (line: string) => void) {
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
    stream.on('end', () => this.#line(rest))
  }

  #line(line: string): void {
    if (line === '') return
    if (LAST_WORDS.test(line)) this.lastWords ??= line
    const now = performance.now()
    if (now >= this.#windowEndsAt) {
      const dropped = this.#lines - MAX_LINES_PER_SECOND
      this.#windowEndsAt = now + 1_000
      this.#lines = 0
      if (dropped > 0) this.#write(`${dropped} lines were dropped: at most ${MAX_LINES_PER_SECOND} a second are kept`)
    }
    this.#lines += 1
    if (this.#lines <= MAX_LINES_PER_SECOND) this.#write(line)
  }
}
