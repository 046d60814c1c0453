/**
 * Writes results to standard output, in the format that the person asked for, and everything else to standard error.
 * `json` is the answer of the server, unchanged: what scripts rely on.
 */
import type { Io } from '../io.ts'
import { painter, type Paint } from './style.ts'
import type { Column } from './table.ts'

export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'name'] as const
export type Format = (typeof FORMATS)[number]

/** An answer of the server. */
export interface Answer<Body> {
  /** As it came. */
  text: string
  body: Body
}

/** How a list is shown. */
export interface ListView<Item> {
  columns: readonly Column<Item>[]
  nameOf: (item: Item) => string
  /** Said on standard error if there are none, such as `no jobs`. */
  none: string
}

/** How one thing is shown. */
export interface OneView<Body> {
  /** @param width of the terminal; `undefined`: there is none */
  lines: (body: Body, paint: Paint, width: number | undefined) => string[]
  nameOf: (body: Body) => string
}

interface PrinterSettings {
  format: Format
  /** No notes on standard error. */
  isQuiet: boolean
  hasColour: boolean
}

export class Printer {
  readonly format: Format
  readonly paint: Paint
  readonly #io: Io
  readonly #isQuiet: boolean

  constructor(io: Io, { format, isQuiet, hasColour }: PrinterSettings) {
    this.#io = io
    this.format = format
    this.#isQuiet = isQuiet
    this.paint = painter(hasColour)
  }

  /** Of the terminal; `undefined`: standard output is none. */
  get width(): number | undefined {
    const { isTTY, columns } = this.#io.stdout
    return isTTY === true ? columns || 80 : undefined
  }

  /** Is the result shown as it is made for persons? */
  get isForPersons(): boolean {
    return this.format === 'table' || this.format === 'wide'
  }

  /** The text of a list. */
  async list<Item>({ text, body }: Answer<{ items: Item[] }>, view: ListView<Item>): Promise<string> {
    const { items } = body
    if (this.format === 'json') return ended(text)
    if (this.format === 'ndjson') return items.map((item) => `${JSON.stringify(item)}\n`).join('')
    if (this.format === 'name') return items.map((item) => `${view.nameOf(item)}\n`).join('')
    if (items.length === 0) {
      this.note(view.none)
      return ''
    }
    const { tableOf } = await import('./table.ts')
    const lines = tableOf(items, view.columns, {
      width: this.width,
      isWide: this.format === 'wide',
      paint: this.paint,
    })
    return `${lines.join('\n')}\n`
  }

  /** The text of one thing. */
  one<Body>({ text, body }: Answer<Body>, view: OneView<Body>): string {
    if (this.format === 'json') return ended(text)
    if (this.format === 'ndjson') return `${JSON.stringify(body)}\n`
    if (this.format === 'name') return `${view.nameOf(body)}\n`
    return view
      .lines(body, this.paint, this.width)
      .map((line) => `${line}\n`)
      .join('')
  }

  /** The result of a method: for persons on a terminal in lines, else as it came. */
  result(text: string): string {
    if (!this.isForPersons || this.width === undefined) return ended(text)
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`
  }

  /** Writes a result. Waits until the reader has room for more. */
  async write(text: string | Uint8Array): Promise<void> {
    if (text.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#io.stdout.write(text, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Something for the person, which is no result. */
  note(text: string): void {
    if (!this.#isQuiet) this.#io.stderr.write(`${text}\n`)
  }
}

function ended(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
