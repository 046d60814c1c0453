/**
 * Measures servers under load, in turns: rate, latency and CPU time. Meanwhile a witness asks the server questions
 * whose answers are known, so that a server cannot be fast by giving wrong answers.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender, type ContenderOptions } from './contender.ts'
import { Load, type Measured } from './load.ts'
import type { Skipped } from './report.ts'
import { type Column, takeTurns, type Turns } from './rounds.ts'
import type { Settings } from './settings.ts'

const ASK_EVERY_MS = 100
/** Longest wait before a turn until all servers are idle. */
const SETTLE_WITHIN_MS = 2_000
const SETTLE_STEP_MS = 50
/** All servers together are idle if they use no more CPU time than this in a step. */
const IDLE_MS = 10

export interface Sample extends Measured {
  /** CPU time of the server and all its processes. */
  cpuMs: number
  /** CPU time of all other servers meanwhile, which should be idle. */
  othersCpuMs: number
  /** Questions of the witness, and wrong answers. */
  asked: number
  wrong: number
}

export const rate = ({ requests, seconds }: Sample): number => requests / seconds
export const cost = ({ requests, cpuMs }: Sample): number => (cpuMs * 1_000) / requests

/** Columns that compare each server with `baseline`, and show how many times as fast `own` is as each server. */
export function columns(what: string, baseline: string, own?: string): Column<Sample>[] {
  return [
    { title: `${what}/s`, of: rate },
    { title: `÷ ${baseline}`, of: rate, over: baseline },
    ...(own === undefined ? [] : [{ title: `${own} ÷ it`, of: rate, under: own }]),
    { title: 'CPU µs', of: cost },
    { title: `CPU ÷ ${baseline}`, of: cost, over: baseline },
    { title: 'p99 ms', of: ({ p99Ms }) => p99Ms },
    { title: `p99 ÷ ${baseline}`, of: ({ p99Ms }) => p99Ms, over: baseline },
  ]
}

/** A server that does not start is skipped, unless it is indispensable. */
export async function startAll(
  options: readonly ContenderOptions[],
  indispensable: readonly string[],
): Promise<{ contenders: Contender[]; skipped: Skipped[] }> {
  const contenders: Contender[] = []
  const skipped: Skipped[] = []
  for (const option of options) {
    try {
      contenders.push(await Contender.start(option))
    } catch (error) {
      const { message } = error as Error
      if (!indispensable.includes(option.name)) skipped.push({ name: option.name, why: message })
      else {
        await stopAll(contenders)
        throw new Error(`${option.name} does not start: ${message}`, { cause: error })
      }
    }
  }
  return { contenders, skipped }
}

export async function stopAll(contenders: readonly Contender[]): Promise<void> {
  await Promise.all(contenders.map((contender) => contender.stop()))
}

/** Seconds of load until V8 has compiled the hot code of a server; less for a server that takes part seldom. */
const WARM_UP_SECONDS = { always: 7, seldom: 3 }

/**
 * @param load the load of all contenders, or of each
 * @param warmUp seconds of load for each server before the first round; default: `WARM_UP_SECONDS`
 */
export async function loadInTurns(
  contenders: readonly Contender[],
  load: Load | ReadonlyMap<Contender, Load>,
  { rounds, seconds }: Pick<Settings, 'rounds' | 'seconds'>,
  warmUp?: number,
): Promise<Turns<Sample>> {
  const loadOf = (contender: Contender) => (load instanceof Load ? load : (load.get(contender) as Load))
  for (const contender of contenders) {
    const { url, every } = contender
    await loadOf(contender).post(url, warmUp ?? WARM_UP_SECONDS[every === 1 ? 'always' : 'seldom'])
  }
  const processes = [...new Set(contenders.map(({ process }) => process))]
  const used = () => processes.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
  const turns = await takeTurns(
    contenders.map((contender) => ({
      name: contender.name,
      every: contender.every,
      measure: async () => {
        await settle(used)
        return measure(contender, loadOf(contender), seconds, used)
      },
    })),
    rounds,
    0,
  )
  for (const [name, samples] of turns) printFailures(name, samples)
  return turns
}

function printFailures(name: string, turns: readonly (Sample | undefined)[]): void {
  const samples = turns.filter((sample) => sample !== undefined)
  const sum = (of: (sample: Sample) => number) => samples.reduce((total, sample) => total + of(sample), 0)
  const [failed, wrong] = [sum((sample) => sample.failed), sum((sample) => sample.wrong)]
  if (failed + wrong === 0) return
  const all = `${sum(({ requests }) => requests) + failed} requests failed`
  console.log(`${name}: ${failed} of ${all}, ${wrong} of ${sum(({ asked }) => asked)} answers were wrong`)
  process.exitCode = 1
}

async function measure(contender: Contender, load: Load, seconds: number, used: () => number): Promise<Sample> {
  const before = { own: contender.process.cpuMs, all: used() }
  const witness = new Witness(contender)
  const measured = await load.post(contender.url, seconds)
  const cpuMs = contender.process.cpuMs - before.own
  const othersCpuMs = used() - before.all - cpuMs
  return { ...measured, cpuMs, othersCpuMs, ...(await witness.end()) }
}

class Witness {
  readonly #ending = new AbortController()
  readonly #asking: Promise<Pick<Sample, 'asked' | 'wrong'>>

  constructor(contender: Contender) {
    this.#asking = this.#ask(contender)
  }

  async #ask(contender: Contender): Promise<Pick<Sample, 'asked' | 'wrong'>> {
    const { signal } = this.#ending
    const counts = { asked: 0, wrong: 0 }
    while (!signal.aborted) {
      const complaint = await contender.ask()
      counts.asked += 1
      if (complaint !== undefined) {
        counts.wrong += 1
        console.log(`${contender.name}: ${complaint}`)
      }
      await sleep(ASK_EVERY_MS, undefined, { signal }).catch(() => {})
    }
    return counts
  }

  end(): Promise<Pick<Sample, 'asked' | 'wrong'>> {
    this.#ending.abort()
    return this.#asking
  }
}

async function settle(used: () => number): Promise<void> {
  const until = performance.now() + SETTLE_WITHIN_MS
  for (let before = used(); performance.now() < until; ) {
    await sleep(SETTLE_STEP_MS)
    const now = used()
    if (now - before <= IDLE_MS) return
    before = now
  }
}
