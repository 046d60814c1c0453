/**
 * What events, metrics, tokens, log rings and traces cost a call and a cast while nobody looks: no stream is open, nothing
 * scrapes, there are no tokens, and traces are off. The whole server is compared with variants of itself.
 */
import { join } from 'node:path'
import type { Contender } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import type { Column, Turns } from '../harness/rounds.ts'
import { type Settings, wanted } from '../harness/settings.ts'
import { checkStored, journalCounts, sum } from '../harness/stored-jobs.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { cost, loadInTurns, rate, type Sample, startAll, stopAll } from '../harness/under-load.ts'
import { buildVariant, VARIANTS } from '../surface/variants.ts'
import { accepting, pause } from './cast.ts'

const WHOLE = 'threadplane'
/** Two processes of one program differ by some per cent for as long as they live: so often all servers are started anew. */
const SERIES = 4
const WARM_UP_SECONDS = 4

/** Name of a server → its program; `undefined`: that of the product. */
type Programs = ReadonlyMap<string, string | undefined>

export async function surface(settings: Settings): Promise<void> {
  const since = performance.now()
  const variants = wanted(settings, [], VARIANTS)
  const report = new Report('surface', settings, [], { load: describeLoad() })
  const programs = new Map<string, string | undefined>([[WHOLE, undefined]])
  for (const { name, leftOut } of variants) programs.set(name, await buildVariant(leftOut))
  const load = new Load(pins('both cores').load)
  const calls: Turns<Sample> = new Map()
  const casts: Turns<Sample> = new Map()
  try {
    for (let series = 0; series < SERIES; series += 1) {
      await inFolder((folder) => measure(programs, folder, load, settings, calls, casts))
    }
  } finally {
    load.close()
  }
  report.add('calls', calls, columns('calls'))
  report.add('casts accepted', casts, columns('casts'))
  report.write()
  console.log(`${Math.round((performance.now() - since) / 1_000)} s`)
}

/** Starts all servers, and adds a series of rounds to those of calls and casts. */
async function measure(
  programs: Programs,
  folder: string,
  load: Load,
  settings: Settings,
  calls: Turns<Sample>,
  casts: Turns<Sample>,
): Promise<void> {
  const prefix = pins('both cores').servers
  const path = '/v1/services/adder/call/add'
  const options = Array.from(programs, ([name, program]) => ({
    ...threadplane({ name, path, data: join(folder, name), prefix }),
    ...(program !== undefined && { program }),
  }))
  const { contenders } = await startAll(options, [...programs.keys()])
  try {
    addTo(calls, await loadInTurns(contenders, load, settings, WARM_UP_SECONDS))
    const accepts = contenders.map((contender) => contender.at({ ...accepting(), name: contender.name }))
    await Promise.all(accepts.map(pause))
    addTo(casts, await loadInTurns(accepts, load, settings, WARM_UP_SECONDS))
    await stopAll(contenders)
    for (const server of accepts) checkStored(server, [load], stored(folder, server))
  } finally {
    await stopAll(contenders)
  }
}

function stored(folder: string, { name }: Contender): number {
  return sum(journalCounts(join(folder, name)))
}

function addTo(all: Turns<Sample>, turns: Turns<Sample>): void {
  for (const [name, samples] of turns) all.set(name, [...(all.get(name) ?? []), ...samples])
}

function columns(what: string): Column<Sample>[] {
  return [
    { title: `${what}/s`, of: rate },
    { title: `${WHOLE} ÷ it`, of: rate, under: WHOLE },
    { title: 'CPU µs', of: cost },
    { title: `CPU: ${WHOLE} ÷ it`, of: cost, under: WHOLE },
  ]
}
