/**
 * What events, metrics, tokens, log rings and traces cost a call and a cast while nobody looks: no stream is open, nothing
 * scrapes, there are no tokens, and traces are off. The whole server is compared with variants of itself.
 *
 * The differences are smaller than those between two moments of a machine, so a variant and the whole server take turns
 * as a pair. They are also smaller than those between two processes of one program, so each pair is started anew.
 */
import { join } from 'node:path'
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
/** So often each pair is started anew, with the other one of the two first. */
const SERIES = 2
const WARM_UP_SECONDS = 3

/** What was measured next to each other. */
interface Pair {
  whole: Sample
  variant: Sample
}

export async function surface(settings: Settings): Promise<void> {
  const since = performance.now()
  const variants = wanted(settings, [], VARIANTS)
  const report = new Report('surface', settings, [], { load: describeLoad() })
  const programs = new Map<string, string>()
  for (const { name, leftOut } of variants) programs.set(name, await buildVariant(leftOut))
  const load = new Load(pins('both cores').load)
  const calls: Turns<Pair> = new Map([...programs.keys()].map((name) => [name, []]))
  const casts: Turns<Pair> = new Map([...programs.keys()].map((name) => [name, []]))
  try {
    for (let series = 0; series < SERIES; series += 1) {
      for (const [name, program] of programs) {
        const names = series % 2 === 0 ? [WHOLE, name] : [name, WHOLE]
        const pairs = await inFolder((folder) => measure(names, name, program, folder, load, settings))
        calls.get(name)?.push(...pairs.calls)
        casts.get(name)?.push(...pairs.casts)
      }
    }
  } finally {
    load.close()
  }
  report.add('calls', calls, columns('calls'))
  report.add('casts accepted', casts, columns('casts'))
  report.write()
  console.log(`${Math.round((performance.now() - since) / 1_000)} s`)
}

/** @param names of the whole server and of the variant, in the order of their turns */
async function measure(
  names: readonly string[],
  variant: string,
  program: string,
  folder: string,
  load: Load,
  settings: Settings,
): Promise<{ calls: Pair[]; casts: Pair[] }> {
  const { servers: prefix } = pins('both cores')
  const options = names.map((name) => ({
    ...threadplane({ name, path: '/v1/services/adder/call/add', data: join(folder, name), prefix }),
    ...(name === variant && { program }),
  }))
  const { contenders } = await startAll(options, names)
  try {
    const calls = pairsOf(await loadInTurns(contenders, load, settings, WARM_UP_SECONDS), variant)
    const accepts = contenders.map((contender) => contender.at({ ...accepting(), name: contender.name }))
    await Promise.all(accepts.map(pause))
    const casts = pairsOf(await loadInTurns(accepts, load, settings, WARM_UP_SECONDS), variant)
    await stopAll(contenders)
    for (const server of accepts) checkStored(server, [load], sum(journalCounts(join(folder, server.name))))
    return { calls, casts }
  } finally {
    await stopAll(contenders)
  }
}

function pairsOf(turns: Turns<Sample>, variant: string): Pair[] {
  const whole = turns.get(WHOLE) as Sample[]
  const other = turns.get(variant) as Sample[]
  return whole.map((sample, round) => ({ whole: sample, variant: other[round] as Sample }))
}

function columns(what: string): Column<Pair>[] {
  return [
    { title: `${what}/s`, of: ({ variant }) => rate(variant) },
    { title: `${WHOLE} ÷ it`, of: ({ whole, variant }) => rate(whole) / rate(variant) },
    { title: 'CPU µs', of: ({ variant }) => cost(variant) },
    { title: `CPU: it ÷ ${WHOLE}`, of: ({ whole, variant }) => cost(variant) / cost(whole) },
  ]
}
