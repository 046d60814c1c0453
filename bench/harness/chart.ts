/**
 * A chart of lines as SVG, for light and dark pages: each series is a line through its medians, with the range of the
 * rounds. Both ends of a line are labelled, so that no legend is needed. The text is text.
 */
import type { Spread } from './rounds.ts'

export interface Chart {
  title: string
  /** What the ratios are to. */
  yTitle: string
  xTitle: string
  /** The places on the logarithmic x axis, in rising order. The first may be at 0, which is drawn as one step before. */
  places: { x: number; label: string }[]
  /** A figure for each place; a series may lack some. */
  series: { name: string; figures: (Spread | undefined)[] }[]
}

type Scale = (value: number) => number

const [WIDTH, HEIGHT] = [760, 410]
const AREA = { left: 68, right: 590, top: 84, bottom: 350 }
/** The y axis is logarithmic if the greatest value is so many times the least. */
const LOGARITHMIC_FROM = 10
/** Least distance of two labels, one above the other. */
const LINE_HEIGHT = 14

const STYLE = `
  :root { --back: #fff; --text: #1f2328; --faint: #d1d9e0; --s0: #0550ae; --s1: #bc4c00; --s2: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    :root { --back: #0d1117; --text: #e6edf3; --faint: #3d444d; --s0: #79c0ff; --s1: #ffa657; --s2: #7ee787 }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--text) }
  .back { fill: var(--back) } .title { font-size: 16px; font-weight: 600 } .grid { stroke: var(--faint) }
  .middle { text-anchor: middle } .end { text-anchor: end }
  .line { fill: none; stroke-width: 2 } .range { stroke-width: 2; opacity: 0.4 }
  .value { paint-order: stroke; stroke: var(--back); stroke-width: 4px; stroke-linejoin: round }
  ${[0, 1, 2].map((n) => `.s${n} { stroke: var(--s${n}) } .dot.s${n}, text.n${n} { fill: var(--s${n}) }`).join('\n  ')}`

export function chart({ title, xTitle, yTitle, places, series }: Chart): string {
  const x = placesOn(places.map((place) => place.x))
  const drawn = series.map(({ name, figures }, number) => ({
    name,
    number,
    points: figures.flatMap((figure, place) =>
      figure !== undefined && figure.median > 0 && Number.isFinite(figure.max)
        ? [{ ...figure, x: x[place] as number }]
        : [],
    ),
  }))
  const { y, ticks } = scaleOf(drawn.flatMap(({ points }) => points))
  const grid = ticks.map(
    (tick) =>
      `<path class="grid" d="M${AREA.left} ${round(y(tick))}H${AREA.right}"/>${text(AREA.left - 8, y(tick) + 4, 'end', number(tick))}`,
  )
  const axis = places.map(({ label }, place) => text(x[place] as number, AREA.bottom + 22, 'middle', label))
  const lines = drawn.map(({ number, points }) => {
    const ranges = points.map(
      (point) =>
        `<path class="range s${number}" d="M${round(point.x)} ${round(Math.min(y(point.min), AREA.bottom))}V${round(y(point.max))}"/>` +
        `<circle class="dot s${number}" cx="${round(point.x)}" cy="${round(y(point.median))}" r="3"/>`,
    )
    const path = points.map((point) => `${round(point.x)} ${round(y(point.median))}`).join('L')
    return `${path === '' ? '' : `<path class="line s${number}" d="M${path}"/>`}${ranges.join('')}`
  })
  const values = x.flatMap((at) => {
    const here = drawn.flatMap(({ number, points }) =>
      points.filter((point) => point.x === at).map((point) => ({ ...point, number })),
    )
    const sorted = here.toSorted((a, b) => b.median - a.median)
    const wanted = sorted.map((point, place) => ({
      y: y(point.median) + (place === 0 ? -9 : 18),
      text: number(point.median),
      number: point.number,
    }))
    // Where all are the same, as at the first place, one label is enough.
    const same = wanted.every((label) => label.text === wanted[0]?.text)
    return apart(same ? wanted.slice(0, 1) : wanted).map((label) =>
      text(at, label.y, `value middle${same ? '' : ` n${label.number}`}`, label.text),
    )
  })
  const ends = drawn.flatMap(({ name, number, points }) => {
    const last = points.at(-1)
    return last === undefined ? [] : [{ y: y(last.median) + 4, text: name, number }]
  })
  const names = apart(ends.toSorted((a, b) => a.y - b.y)).map((end) =>
    text(AREA.right + 30, end.y, `n${end.number}`, end.text),
  )
  const heads = [
    text(16, 26, 'title', title),
    text(16, 48, '', yTitle),
    text((AREA.left + AREA.right) / 2, HEIGHT - 14, 'middle', xTitle),
  ]
  const label = escape(`${title}; ${yTitle}`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    ...[heads, grid, axis, lines, values, names].flat(),
    '</svg>\n',
  ].join('\n')
}

/** Where each place is; logarithmic. */
function placesOn(values: readonly number[]): number[] {
  const [first = 1, second = 1, third = second * 10] = values
  const logs = values.map((value) => Math.log10(value === 0 ? second ** 2 / third : value))
  const scale = linear(
    [Math.log10(first === 0 ? second ** 2 / third : first), logs.at(-1) as number],
    [AREA.left + 30, AREA.right],
  )
  return logs.map(scale)
}

/** From 0 in even steps, or logarithmic if the values differ much. */
function scaleOf(points: readonly Spread[]): { y: Scale; ticks: number[] } {
  // A round may have the ratio 0, which has no place on a logarithmic axis: its range ends at the edge.
  const least = points.map(({ min, median }) => (min > 0 ? min : median))
  const [min, max] = [Math.min(1, ...least), Math.max(1, ...points.map(({ max }) => max))]
  const range: [number, number] = [AREA.bottom, AREA.top]
  if (max / min < LOGARITHMIC_FROM) {
    const step = [0.1, 0.2, 0.25, 0.5, 1, 2].find((step) => max / step <= 6) ?? 2
    const ticks = Array.from({ length: Math.ceil(max / step) + 1 }, (_, count) => count * step)
    return { y: linear([0, ticks.at(-1) as number], range), ticks }
  }
  const [from, to] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))]
  const ticks = Array.from({ length: to - from + 1 }, (_, count) => 10 ** (from + count))
  const scale = linear([from, to], range)
  return { y: (value) => scale(Math.log10(value)), ticks }
}

function linear([from, to]: [number, number], [start, end]: [number, number]): Scale {
  return (value) => start + ((value - from) / (to - from)) * (end - start)
}

/** Moves labels, from top to bottom, so that none covers another. */
function apart<Label extends { y: number }>(labels: readonly Label[]): Label[] {
  let free = Number.NEGATIVE_INFINITY
  return labels.map((label) => {
    const y = Math.max(label.y, free)
    free = y + LINE_HEIGHT
    return { ...label, y }
  })
}

function text(x: number, y: number, names: string, content: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${names}">${escape(content)}</text>`
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 2 })
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
