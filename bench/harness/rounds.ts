/**
 * Contestants are measured in turns, in rounds A B C A B C …, because the speed of a machine varies by more than the
 * differences to be measured. Every ratio is within a round. The result is the median of the rounds, with the least and
 * the greatest.
 */
export interface Contestant<Sample> {
  name: string
  measure: () => Promise<Sample>
  /** Takes part in one of so many rounds: more than 1 for what takes long. Default: 1. */
  every?: number
}

/** The samples of each contestant, by the number of the round; `undefined` where it took no part. */
export type Turns<Sample> = Map<string, (Sample | undefined)[]>

export interface Spread {
  median: number
  min: number
  max: number
}

/** A column of the table: one figure of each contestant. */
export interface Column<Sample> {
  title: string
  of: (sample: Sample) => number
  /** Show the ratio to the figure of this contestant in the same round instead. */
  over?: string
  /** Show the ratio of the figure of this contestant to the row's, in the same round, instead. */
  under?: string
}

/** Rounds that are not counted: V8 compiles the hot code in them. */
const WARM_UPS = 3

export async function takeTurns<Sample>(
  contestants: readonly Contestant<Sample>[],
  rounds: number,
  warmUps = WARM_UPS,
): Promise<Turns<Sample>> {
  const turns: Turns<Sample> = new Map(contestants.map(({ name }) => [name, []]))
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const { name, measure, every = 1 } of contestants) {
      const sample = round % every === 0 ? await measure() : undefined
      if (round >= 0) turns.get(name)?.push(sample)
    }
  }
  return turns
}

/** The figures of one contestant, by title. Ratios to a contestant that took no part are left out. */
export function figures<Sample>(
  turns: Turns<Sample>,
  name: string,
  columns: readonly Column<Sample>[],
): Record<string, Spread> {
  const samples = turns.get(name) ?? []
  const found: Record<string, Spread> = {}
  for (const { title, of, over, under } of columns) {
    const others = turns.get(over ?? under ?? name)
    if (others === undefined) continue
    const values = samples.flatMap((sample, round) => {
      const other = others[round]
      if (sample === undefined || other === undefined) return []
      if (over !== undefined) return of(sample) / of(other)
      return under === undefined ? of(sample) : of(other) / of(sample)
    })
    found[title] = spread(values)
  }
  return found
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** The one in the middle, or between the two there. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2
}
