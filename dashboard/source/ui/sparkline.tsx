/** A small chart of one column of numbers: no axes, the last value is written beside it. Gaps stay gaps. */
interface SparklineProps {
  values: readonly (number | null)[]
  /** For screen readers: what it shows. */
  label: string
  /** The top of the chart; by default the greatest value. */
  max?: number
  tone?: 'accent' | 'bad'
}

const WIDTH = 100
const HEIGHT = 24

export function Sparkline({ values, label, max, tone = 'accent' }: SparklineProps) {
  const top = max ?? Math.max(...values.map((value) => value ?? 0), 0)
  const step = WIDTH / Math.max(1, values.length - 1)
  const y = (value: number) => HEIGHT - 1 - (top === 0 ? 0 : (value / top) * (HEIGHT - 3))
  let line = ''
  let area = ''
  let start: number | undefined
  for (const [at, value] of values.entries()) {
    const x = (at * step).toFixed(1)
    if (value === null) {
      start = undefined
      continue
    }
    line += `${start === undefined ? 'M' : 'L'}${x} ${y(value).toFixed(1)}`
    const next = values[at + 1]
    start ??= at
    if (next === null || next === undefined) {
      const points = values.slice(start, at + 1).map((one, index) => {
        return `L${(((start as number) + index) * step).toFixed(1)} ${y(one as number).toFixed(1)}`
      })
      area += `M${(start * step).toFixed(1)} ${HEIGHT}${points.join('')}L${x} ${HEIGHT}Z`
    }
  }
  return (
    <svg class={`sparkline ${tone}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
      <title>{label}</title>
      <path class="area" d={area} />
      <path class="line" d={line} />
    </svg>
  )
}
