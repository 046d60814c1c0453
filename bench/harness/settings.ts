/** The options of all measuring parts, in one table; a part reads those that it needs. */
import { parseArgs } from 'node:util'
import type { Cores } from './machine.ts'

export interface Settings {
  rounds: number
  /** Duration of one turn of one contestant. */
  seconds: number
  cores: Cores
  /** Names of contestants. Default: all. */
  only: string[] | undefined
  /** Size of the backlog that is drained. */
  jobs: number
  /** The guard writes its baseline, instead of comparing with it. */
  record: boolean
  /** The curves of growth also have their last point, which takes minutes. */
  large: boolean
}

/** Wrong options: printed without a stack. */
export class UsageError extends Error {}

const ROUNDS = 7
const SECONDS = 0.5
const JOBS = 20_000

const OPTIONS = {
  rounds: { type: 'string', default: String(ROUNDS) },
  seconds: { type: 'string', default: String(SECONDS) },
  'one-core': { type: 'boolean', default: false },
  only: { type: 'string' },
  jobs: { type: 'string', default: String(JOBS) },
  record: { type: 'boolean', default: false },
  large: { type: 'boolean', default: false },
} as const

/** @throws UsageError */
export function readSettings(args: readonly string[]): Settings {
  const values = parse(args)
  return {
    rounds: count('rounds', values.rounds),
    seconds: duration(values.seconds),
    cores: values['one-core'] ? 'one core' : 'both cores',
    only: values.only?.split(','),
    jobs: count('jobs', values.jobs),
    record: values.record,
    large: values.large,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function duration(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 60)) throw new UsageError(`--seconds takes a number up to 60, not ${text}`)
  return value
}

function count(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} takes a positive integer, not ${text}`)
  return value
}

/** The contestants that `--only` names, and those of `always`. @throws UsageError if one of the names does not exist */
export function wanted<Named extends { name: string }>(
  { only }: Settings,
  always: readonly string[],
  contestants: readonly Named[],
): Named[] {
  if (only === undefined) return [...contestants]
  const names = contestants.map(({ name }) => name)
  const unknown = only.filter((name) => !names.includes(name))
  if (unknown.length > 0)
    throw new UsageError(`--only: there is no ${unknown.join(', ')}; there are: ${names.join(', ')}`)
  return contestants.filter(({ name }) => only.includes(name) || always.includes(name))
}

/** Is the run too short, or not complete, and so not to be published? */
export function isTrial({ rounds, only, jobs }: Settings): boolean {
  return rounds < ROUNDS || only !== undefined || jobs < JOBS
}
