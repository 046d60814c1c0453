/** Lines of names and values, as `status` and `job` show one thing. On a terminal long values go on in further lines. */
import type { Paint } from './style.ts'
import { oneLine } from './style.ts'
import { widthOf } from './table.ts'

const INDENT = 2
const NAME_CHARS = 12
/** On a narrower terminal lines are as long as on this one. */
const LEAST_VALUE_CHARS = 20

/** @param value empty: the fact is left out */
export type Fact = readonly [name: string, value: string, style?: Parameters<Paint>[0]]

/** @param width of the terminal; `undefined`: there is none, and nothing is broken into lines */
export function factLines(title: string, facts: readonly Fact[], paint: Paint, width: number | undefined): string[] {
  const margin = INDENT + NAME_CHARS
  const chars = width === undefined ? Number.POSITIVE_INFINITY : Math.max(width - margin, LEAST_VALUE_CHARS)
  const lines = facts
    .map(([name, value, style]) => [name, oneLine(value), style] as const)
    .filter(([, value]) => value !== '')
    .flatMap(([name, value, style]) =>
      broken(value, chars).map((line, at) => {
        const begin = at === 0 ? ' '.repeat(INDENT) + name.padEnd(NAME_CHARS) : ' '.repeat(margin)
        return begin + paint(style, line)
      }),
    )
  return [paint('bold', title), ...lines]
}

/** The text in lines of at most so many characters, broken at blanks where that is possible. */
function broken(text: string, chars: number): string[] {
  if (widthOf(text) <= chars) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (widthOf(longer) <= chars) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = word
    while (line.length > chars) {
      lines.push(line.slice(0, chars))
      line = line.slice(chars)
    }
  }
  return line === '' ? lines : [...lines, line]
}
