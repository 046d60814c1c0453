/**
 * A curve: figures at several sizes, each as the ratio to the figure at the first size, in the same round. Absolute
 * figures are in the table and in the results.
 */
import { chart } from '../harness/chart.ts'
import type { Report } from '../harness/report.ts'
import { type Column, figures, type Turns } from '../harness/rounds.ts'

export interface Curve<Sample> {
  /** Of the image. */
  file: string
  title: string
  xTitle: string
  /** Name of a contestant → its size. The first is what the others are compared with. */
  sizes: ReadonlyMap<string, number>
  /** With the unit of its figures. */
  series: { name: string; unit: string; of: (sample: Sample) => number }[]
}

/** Prints the figures, adds them to the results, and draws the curve. */
export function addCurve<Sample>(report: Report, curve: Curve<Sample>, turns: Turns<Sample>): void {
  const { file, title, xTitle, sizes, series } = curve
  const [first = ''] = sizes.keys()
  const ratioOf = (name: string) => `${name} ÷ at ${first}`
  const columns: Column<Sample>[] = series.flatMap(({ name, unit, of }) => [
    { title: unit === '' ? name : `${name}, ${unit}`, of },
    { title: ratioOf(name), of, over: first },
  ])
  report.add(title, turns, columns)
  const found = Array.from(sizes.keys(), (size) => figures(turns, size, columns))
  const drawn = chart({
    title,
    yTitle: `ratio to the figure at ${first}: median and range of the rounds`,
    xTitle,
    places: Array.from(sizes, ([label, x]) => ({ label, x })),
    series: series.map(({ name }) => ({ name, figures: found.map((columns) => columns[ratioOf(name)]) })),
  })
  report.draw(`growth-${file}`, drawn)
}

/** Sizes by their names, such as `1,000`. */
export function sizesOf(values: readonly number[]): Map<string, number> {
  return new Map(values.map((value) => [value.toLocaleString('en'), value]))
}
