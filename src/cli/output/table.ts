/**
 * Tables. On a terminal a table is as wide as the terminal: first long columns are cut, then the least important columns
 * are left out, and no line is wrapped; columns without any text are left out, too. Elsewhere nothing is cut.
 */
import { eastAsianWidth } from 'get-east-asian-width'
import { oneLine, type Paint, type Style } from './style.ts'

export interface Column<Row> {
  title: string
  value: (row: Row) => string
  /** The column with the greatest number is left out first. 0: it stays. */
  rank: number
  align?: 'right'
  /** It may be cut to this many characters. */
  cutTo?: number
  style?: (row: Row) => Style | undefined
  /** Only in `-o wide`. */
  isWide?: boolean
}

export interface TableSettings {
  /** Of the terminal, in characters; `undefined`: there is no terminal. */
  width: number | undefined
  /** With the columns of `-o wide`. */
  isWide: boolean
  paint: Paint
}

const GAP = 2

/** The lines of the table, the titles first. */
export function tableOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[], settings: TableSettings): string[] {
  const { paint } = settings
  const all = columns
    .filter(({ isWide = false }) => settings.isWide || !isWide)
    .map((column) => new Cells(column, rows))
  const { width } = settings
  // A script that splits the lines gets the same columns each time.
  const shown =
    width === undefined
      ? all
      : fitted(
          all.filter(({ isEmpty }) => !isEmpty),
          width,
        )
  const line = (cells: (column: Cells<Row>, isLast: boolean) => string) =>
    shown.map((column, at) => cells(column, at === shown.length - 1)).join(' '.repeat(GAP))
  const titles = line((column, isLast) => column.pad(column.title, isLast))
  return [
    paint('bold', titles.trimEnd()),
    ...rows.map((row, at) =>
      line((column, isLast) => paint(column.style?.(row), column.pad(column.texts[at] as string, isLast))).trimEnd(),
    ),
  ]
}

class Cells<Row> {
  readonly title: string
  readonly texts: string[]
  readonly rank: number
  readonly style: Column<Row>['style']
  readonly #align: 'right' | undefined
  readonly #cutTo: number
  readonly #fullWidth: number
  width: number

  constructor({ title, value, rank, align, cutTo, style }: Column<Row>, rows: readonly Row[]) {
    this.title = title
    this.texts = rows.map((row) => oneLine(value(row)))
    this.rank = rank
    this.style = style
    this.#align = align
    this.#fullWidth = this.texts.reduce((most, text) => Math.max(most, widthOf(text)), widthOf(title))
    this.#cutTo = Math.min(cutTo ?? this.#fullWidth, this.#fullWidth)
    this.width = this.#fullWidth
  }

  get isEmpty(): boolean {
    return this.texts.every((text) => text === '')
  }

  /** Makes it narrower by some characters, as far as it may be; answers by how many. */
  shrink(by: number): number {
    const before = this.width
    this.width = Math.max(this.#cutTo, before - by)
    return before - this.width
  }

  /** Cuts it even below the width that it should have. */
  squeeze(width: number): void {
    this.width = Math.min(this.width, width)
  }

  restore(): void {
    this.width = this.#fullWidth
  }

  pad(text: string, isLast: boolean): string {
    const cut = cutTo(text, this.width)
    const blanks = ' '.repeat(Math.max(this.width - widthOf(cut), 0))
    if (this.#align === 'right') return blanks + cut
    return isLast ? cut : cut + blanks
  }
}

/** The columns that fit, each as wide as it can be. */
function fitted<Row>(columns: Cells<Row>[], width: number): Cells<Row>[] {
  let shown = columns
  for (;;) {
    let excess = shown.reduce((sum, column) => sum + column.width + GAP, -GAP) - width
    // The last columns are the least important of those that may be cut.
    for (const column of shown.toReversed()) if (excess > 0) excess -= column.shrink(excess)
    if (excess <= 0) return shown
    const greatest = Math.max(...shown.map(({ rank }) => rank))
    if (greatest === 0 || shown.length === 1) break
    const least = shown.findLast(({ rank }) => rank === greatest)
    shown = shown.filter((column) => column !== least)
    for (const column of shown) column.restore()
  }
  const share = Math.max(Math.floor((width - GAP * (shown.length - 1)) / shown.length), 1)
  for (const column of shown) column.squeeze(share)
  return shown
}

/** The text in at most so many characters of the terminal, with … where something is missing. */
export function cutTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let cut = ''
  let left = width - 1
  for (const character of text) {
    left -= widthOf(character)
    if (left < 0) break
    cut += character
  }
  return `${cut}…`
}

const ASCII = /^[\x20-\x7e]*$/

/** Marks on the character before them, joiners and variation selectors. */
const NO_WIDTH = /^[\p{M}\p{Cf}\ufe0f]$/u

/** Cells that the text takes on a terminal. Emoji of several parts count as all their parts: at most too much. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const character of text) {
    if (!NO_WIDTH.test(character)) width += eastAsianWidth(character.codePointAt(0) as number)
  }
  return width
}
