/** One line on a terminal that says how far a job is: `019ab4…01  ███████░░░  61 %  attempt 1/3  12.4s`. */
import type { JobProgress } from '../../client/index.ts'
import type { Io } from '../io.ts'
import { oneLine } from './style.ts'
import { cutTo } from './table.ts'

const BAR_CHARS = 24
const DRAW_EVERY_MS = 100

export class ProgressBar {
  readonly #io: Io
  readonly #id: string
  readonly #since = performance.now()
  #progress: JobProgress | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(io: Io, id: string) {
    this.#io = io
    this.#id = id
  }

  show(progress: JobProgress): void {
    this.#progress = progress
    if (!this.#io.stderr.isTTY) return
    this.#timer ??= setInterval(() => this.#draw(), DRAW_EVERY_MS)
    this.#draw()
  }

  #draw(): void {
    const { columns = 80 } = this.#io.stderr
    this.#io.stderr.write(`\r\u001b[K${cutTo(this.#line(), columns - 1)}`)
  }

  #line(): string {
    if (this.#progress === undefined) return ''
    const { fraction, note, state, attempts, maxAttempts } = this.#progress
    const filled = Math.round(fraction * BAR_CHARS)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_CHARS - filled)
    const seconds = ((performance.now() - this.#since) / 1_000).toFixed(1)
    const percent = `${Math.round(fraction * 100)} %`.padStart(5)
    const attempt = attempts === 0 ? state : `attempt ${attempts}/${maxAttempts}`
    const id = `${this.#id.slice(0, 6)}…${this.#id.slice(-2)}`
    return [id, bar, percent, attempt, `${seconds}s`, oneLine(note ?? '')].join('  ').trimEnd()
  }

  /** Leaves the line free. */
  end(): void {
    clearInterval(this.#timer)
    if (this.#timer !== undefined) this.#io.stderr.write('\r\u001b[K')
  }
}
