/**
 * A guard against becoming slower, run by hand. It compares ratios to bare Fastify, measured in the same run, with
 * recorded ratios. Ratios hold from machine to machine far better than times, and still vary: hence the tolerance, and
 * a second measurement before anything is called worse.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Load } from '../harness/load.ts'
import { type Cores, describeMachine, pins } from '../harness/machine.ts'
import { BENCH } from '../harness/peers.ts'
import { aligned, digits } from '../harness/report.ts'
import { type Column, figures, type Spread } from '../harness/rounds.ts'
import { type Settings, UsageError } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { cost, loadInTurns, rate, type Sample, startAll, stopAll } from '../harness/under-load.ts'
import { INLINE } from './call.ts'
import { accepting, pause } from './cast.ts'

const BASELINE = `${BENCH}baseline.json`
/** Two runs of the same code may differ by this much on a machine that is not quiet. */
const TOLERANCE = 0.15
const MEASUREMENTS = 2

type Ratios = Record<string, Spread>

interface Baseline {
  machine: Record<string, string>
  ratios: Ratios
}

export async function guard(settings: Settings): Promise<void> {
  if (settings.record) {
    const baseline: Baseline = { machine: describeMachine([]), ratios: await measure(settings) }
    writeFileSync(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`)
    console.log('recorded: bench/baseline.json')
    return
  }
  if (!existsSync(BASELINE))
    throw new UsageError('there is no baseline: record one with npm run bench -- guard --record')
  const { ratios: recorded } = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline
  let worse: string[] = []
  for (let count = 1; count <= MEASUREMENTS; count += 1) {
    const worseNow = compare(recorded, await measure(settings))
    worse = count === 1 ? worseNow : worse.filter((name) => worseNow.includes(name))
    if (worse.length === 0) return console.log('no worse than the baseline')
    console.log(`${count === 1 ? 'seems worse, measuring again' : 'WORSE'}: ${worse.join(', ')}`)
  }
  process.exitCode = 1
}

/** Prints the recorded and the measured ratios; returns the names of those that are worse. */
function compare(recorded: Ratios, measured: Ratios): string[] {
  const worse: string[] = []
  const lines = Object.entries(recorded).map(([name, { median: before }]) => {
    const now = measured[name]?.median ?? Number.NaN
    // For CPU time, less is better.
    const change = name.includes('CPU') ? before / now - 1 : now / before - 1
    if (!(change >= -TOLERANCE)) worse.push(name)
    return [name, digits(before), digits(now), `${change >= 0 ? '+' : ''}${Math.round(change * 100)} %`]
  })
  console.log(`\n${aligned(['ratio to bare Fastify', 'recorded', 'now', 'better by'], lines)}\n`)
  return worse
}

async function measure(settings: Settings): Promise<Ratios> {
  return { ...(await measureOn('both cores', settings)), ...(await measureOn('one core', settings)) }
}

async function measureOn(cores: Cores, settings: Settings): Promise<Ratios> {
  return inFolder(async (folder) => {
    const pinned = pins(cores)
    const load = new Load(pinned.load)
    const prefix = pinned.servers
    const names = ['call', 'cast']
    const started = await startAll(
      [
        { ...INLINE, prefix },
        threadplane({ name: 'call', path: '/v1/services/adder/call/add', data: join(folder, 'call'), prefix }),
        threadplane({ ...accepting(), name: 'cast', data: join(folder, 'cast'), prefix }),
      ],
      [INLINE.name, ...names],
    )
    try {
      await Promise.all(started.contenders.filter(({ name }) => name === 'cast').map(pause))
      const turns = await loadInTurns(started.contenders, load, settings)
      const columns: Column<Sample>[] = [
        { title: 'rate', of: rate, over: INLINE.name },
        { title: 'CPU', of: cost, over: INLINE.name },
      ]
      const found = names.flatMap((name) =>
        Object.entries(figures(turns, name, columns)).map(([title, ratio]) => [`${name}, ${cores}, ${title}`, ratio]),
      )
      return Object.fromEntries(found) as Ratios
    } finally {
      await stopAll(started.contenders)
      load.close()
    }
  })
}
