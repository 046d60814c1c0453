/**
 * Writes metrics in the text format of Prometheus, or of OpenMetrics. Tens of thousands of lines take longer than the event
 * loop may be blocked, so they are written in slices: call `pause` often.
 */
import { Slices } from '../async/slices.ts'
import type { Counts } from './counts.ts'
import type { Histogram } from './histogram.ts'

export const FORMATS = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openMetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const
export type Format = keyof typeof FORMATS

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary'

const SLICE_MS = 2
/** To encode ten times as much takes longer than a slice. */
const MAX_PIECE_CHARS = 64 * 1024

export class MetricsText {
  readonly #format: Format
  readonly #slices = new Slices(SLICE_MS)
  readonly #pieces: Buffer[] = []
  #text = ''
  #name = ''

  constructor(format: Format) {
    this.#format = format
  }

  /** Begins a family: the samples that follow belong to it. The name of a counter ends with `_total`. */
  family(name: string, type: MetricType, help: string): void {
    this.#name = name
    // In OpenMetrics `_total` is no part of the name of the family.
    const family = this.#format === 'openMetrics' && type === 'counter' ? name.replace(/_total$/, '') : name
    this.#text += `# HELP ${family} ${escapeHelp(help)}\n# TYPE ${family} ${type}\n`
  }

  /** @param labels as {@link labels} writes them */
  sample(labels: string, value: number, suffix = ''): void {
    this.#text += `${this.#name}${suffix}${labels === '' ? '' : `{${labels}}`} ${numeral(value)}\n`
  }

  histogram(labels: string, histogram: Histogram): void {
    const { bounds } = histogram
    const before = labels === '' ? '' : `${labels},`
    let count = 0
    for (let bucket = 0; bucket <= bounds.length; bucket += 1) {
      count += histogram.countOf(bucket)
      this.#text += `${this.#name}_bucket{${before}le="${numeral(bounds[bucket] ?? Number.POSITIVE_INFINITY)}"} ${count}\n`
    }
    this.sample(labels, histogram.sum, '_sum')
    this.sample(labels, count, '_count')
  }

  /** A sample for each key, with the key as another label. */
  counts<Key extends string>(labels: string, label: string, counts: Counts<Key>, except?: Key): void {
    const before = labels === '' ? '' : `${labels},`
    for (const key of counts.keys) if (key !== except) this.sample(`${before}${label}="${key}"`, counts.get(key))
  }

  /** Returns to the event loop if the present slice is over. */
  async pause(): Promise<void> {
    if (!this.#slices.isOver && this.#text.length < MAX_PIECE_CHARS) return
    // In pieces: to encode all of the text at the end would block the event loop.
    this.#encode()
    await this.#slices.pause()
  }

  #encode(): void {
    this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
  }

  /** The text in pieces: to make one of them would block the event loop. */
  end(): readonly Buffer[] {
    if (this.#format === 'openMetrics') this.#text += '# EOF\n'
    this.#encode()
    return this.#pieces
  }
}

/** One piece after the other, in slices: to write megabytes to a socket takes long, too. */
export async function* inSlices(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  const slices = new Slices(SLICE_MS)
  for (const piece of pieces) {
    yield piece
    await slices.pause()
  }
}

/** `service="mail",method="send"` */
export function labels(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
    .join(',')
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function numeral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
