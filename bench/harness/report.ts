/** The results of a part: a table for people, and JSON with every sample of every round. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { describeMachine, warnOfNoise } from './machine.ts'
import { BENCH, ROOT } from './peers.ts'
import { type Column, figures, type Spread, type Turns } from './rounds.ts'
import { isTrial, type Settings } from './settings.ts'

export const RESULTS = `${BENCH}results/`
const TRIALS = `${RESULTS}trial/`
const IMAGES = `${ROOT}docs/images/`

interface Row {
  name: string
  figures: Record<string, Spread>
  samples: unknown[]
}

export interface Section {
  title: string
  rows: Row[]
  skipped: Skipped[]
}

export interface Skipped {
  name: string
  why: string
}

export interface PartReport {
  part: string
  machine: Record<string, string>
  settings: Settings
  sections: Section[]
}

export class Report {
  readonly #part: string
  readonly #settings: Settings
  readonly #machine: Record<string, string>
  readonly #sections: Section[] = []

  /** @param versions of what the part needs besides the peers, such as the load generator */
  constructor(part: string, settings: Settings, peers: readonly string[] = [], versions: Record<string, string> = {}) {
    this.#part = part
    this.#settings = settings
    this.#machine = { ...describeMachine(peers), ...versions }
    for (const [what, is] of Object.entries(this.#machine)) console.log(`${what}: ${is}`)
    warnOfNoise()
  }

  /** Adds a table, and prints it. */
  add<Sample>(
    title: string,
    turns: Turns<Sample>,
    columns: readonly Column<Sample>[],
    skipped: readonly Skipped[] = [],
  ): void {
    const rows = [...turns].map(([name, samples]) => ({ name, figures: figures(turns, name, columns), samples }))
    this.#sections.push({ title, rows, skipped: [...skipped] })
    console.log(
      `\n${title}: median (least–greatest) of ${rows[0]?.samples.length ?? 0} rounds, ratios within a round\n`,
    )
    console.log(`${table(columns, rows)}\n`)
    for (const { name, why } of skipped) console.log(`skipped: ${name}: ${why}`)
  }

  /** Writes an image for the documents; that of a trial is beside its results. */
  draw(name: string, svg: string): void {
    const folder = isTrial(this.#settings) ? TRIALS : IMAGES
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}${name}.svg`, svg)
    console.log(`image: ${folder.slice(ROOT.length)}${name}.svg\n`)
  }

  write(): void {
    const folder = isTrial(this.#settings) ? TRIALS : RESULTS
    const report: PartReport = {
      part: this.#part,
      machine: this.#machine,
      settings: this.#settings,
      sections: this.#sections,
    }
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}${this.#part}.json`, `${JSON.stringify(report, null, 1)}\n`)
    console.log(`every sample: ${folder.slice(ROOT.length)}${this.#part}.json`)
  }
}

/** A table in Markdown. */
function table(columns: readonly { title: string }[], rows: readonly Row[]): string {
  const titles = columns.map(({ title }) => title).filter((title) => rows.some((row) => row.figures[title]))
  const lines = rows.map((row) => [row.name, ...titles.map((title) => cell(row.figures[title]))])
  return aligned(['', ...titles], lines)
}

/** Lines of cells under a head, as a Markdown table with columns of even width. */
export function aligned(head: readonly string[], lines: readonly string[][]): string {
  const all = [[...head], ...lines]
  const widths = head.map((_, column) => Math.max(3, ...all.map((line) => line[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...lines.map(line)].join('\n')
}

function cell(value: Spread | undefined): string {
  if (value === undefined) return ''
  const { median, min, max } = value
  return `${digits(median)} (${digits(min)}–${digits(max)})`
}

export function digits(value: number): string {
  if (value === 0 || value >= 100) return String(Math.round(value))
  return value.toFixed(value >= 10 ? 1 : value >= 0.1 ? 2 : 3)
}
