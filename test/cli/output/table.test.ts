/** Tables fit a terminal: texts are cut first, then columns are left out. */
import t from 'tap'
import { painter } from '../../../src/cli/output/style.ts'
import { type Column, cutTo, tableOf, widthOf } from '../../../src/cli/output/table.ts'

interface Row {
  name: string
  count: number
  note: string
}

const columns: Column<Row>[] = [
  { title: 'NAME', rank: 0, value: ({ name }) => name, cutTo: 6 },
  { title: 'COUNT', rank: 2, align: 'right', value: ({ count }) => String(count) },
  { title: 'NOTE', rank: 1, value: ({ note }) => note, cutTo: 5 },
  { title: 'MORE', rank: 3, isWide: true, value: () => 'more' },
]
const rows = [
  { name: 'primes', count: 7, note: 'it has crashed' },
  { name: 'a', count: 12_345, note: '' },
]
const paint = painter(false)
const table = (width?: number, isWide = false) => tableOf(rows, columns, { width, isWide, paint })

t.test('without a terminal nothing is cut', async (t) => {
  t.strictSame(table(), ['NAME    COUNT  NOTE', 'primes      7  it has crashed', 'a       12345'])
  t.strictSame(table(undefined, true), [
    'NAME    COUNT  NOTE            MORE',
    'primes      7  it has crashed  more',
    'a       12345                  more',
  ])
})

t.test('a terminal cuts texts, then leaves out the least important columns', async (t) => {
  t.strictSame(table(40), table())
  t.strictSame(table(24), ['NAME    COUNT  NOTE', 'primes      7  it has c…', 'a       12345'])
  t.strictSame(table(19), ['NAME    NOTE', 'primes  it has cra…', 'a'])
  t.strictSame(table(8), ['NAME', 'primes', 'a'])
  t.strictSame(table(4), ['NAME', 'pri…', 'a'])
  for (let width = 4; width < 40; width += 1) {
    for (const line of table(width, true)) t.ok(widthOf(line) <= width, `${width}: ${line}`)
  }
})

t.test('a terminal shows no column without any text; a script gets it', async (t) => {
  const quiet = rows.map((row) => ({ ...row, note: '' }))
  t.strictSame(tableOf(quiet, columns, { width: 80, isWide: false, paint })[0], 'NAME    COUNT')
  t.strictSame(tableOf(quiet, columns, { width: undefined, isWide: false, paint })[0], 'NAME    COUNT  NOTE')
})

t.test('wide characters count twice, and texts cannot control the terminal', async (t) => {
  t.equal(widthOf('日本'), 4)
  t.equal(cutTo('日本語', 5), '日本…')
  t.equal(cutTo('日本語', 4), '日…')
  const hostile = [{ name: 'a\u001b[2J\nb\u009b1m', count: 1, note: '' }]
  t.strictSame(tableOf(hostile, columns.slice(0, 1), { width: undefined, isWide: false, paint }), [
    'NAME',
    'a [2J b 1m',
  ])
})
