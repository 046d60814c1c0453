/** The options of all measuring parts: one table; a part takes those it has a use for. */
import { parseArgs } from 'node:util'
import type { Cores } from './machine.ts'

export interface Settings {
  rounds: number
  /** Of one turn of one contestant. */
  seconds: number
  cores: Cores
  /** Names of contestants. Default: all. */
  only: string[] | undefined
  /** Preloaded, to be drained. */
  jobs: number
  /** The guard writes its baseline, instead of comparing with it. */
  record: boolean
}

const ROUNDS = 7
const JOBS = 100_000

export function readSettings(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: String(ROUNDS) },
      seconds: { type: 'string', default: '1' },
      'one-core': { type: 'boolean', default: false },
      only: { type: 'string' },
      jobs: { type: 'string', default: String(JOBS) },
      record: { type: 'boolean', default: false },
    },
  })
  return {
    rounds: count('rounds', values.rounds),
    seconds: count('seconds', values.seconds),
    cores: values['one-core'] ? 'one core' : 'both cores',
    only: values.only?.split(','),
    jobs: count('jobs', values.jobs),
    record: values.record,
  }
}

function count(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a positive integer, not ${text}`)
  return value
}

/** Too short, or not of all: nothing to be published. */
export function isTrial({ rounds, only, jobs }: Settings): boolean {
  return rounds < ROUNDS || only !== undefined || jobs < JOBS
}
