/** Measures how fast casts are accepted while no job runs, against the same server without a journal. */
import { join } from 'node:path'
import type { Contender, Question } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { type Cores, pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { checkStored, journalCounts, sum } from '../harness/stored-jobs.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'

const NO_JOURNAL = 'no journal'
const SMALL = '{"a":2,"b":3}'
const KIBIBYTE = `{"a":2,"b":3,"pad":"`.padEnd(1_022, 'x').concat('"}')

export async function cast(settings: Settings): Promise<void> {
  const report = new Report('cast', settings, [], { load: describeLoad() })
  await accepted(report, settings, 'both cores', [SMALL])
  await accepted(report, settings, 'one core', [SMALL, KIBIBYTE])
  report.write()
}

async function accepted(report: Report, settings: Settings, cores: Cores, bodies: readonly string[]): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins(cores)
    const common = { ...accepting(), prefix: pinned.servers }
    const data = join(folder, 'threadplane')
    const options = [
      { ...common, name: NO_JOURNAL, program: 'no-journal.js', args: [WORKERS, join(folder, 'no-journal')] },
      threadplane({ ...common, data }),
    ]
    const { contenders } = await startAll(options, [NO_JOURNAL, 'threadplane'])
    try {
      await Promise.all(contenders.map(pause))
      const loads: Load[] = []
      for (const [before, body] of bodies.entries()) {
        const load = new Load(pinned.load, { body })
        // After the first body the hot code is compiled already.
        const turns = await loadInTurns(contenders, load, settings, before === 0 ? undefined : settings.seconds)
        const title = `casts accepted, ${cores}, ${body.length} bytes`
        report.add(title, turns, columns('casts', NO_JOURNAL))
        load.close()
        loads.push(load)
      }
      const plane = contenders.find(({ name }) => name === 'threadplane') as Contender
      await plane.stop()
      checkStored(plane, loads, sum(journalCounts(data)))
    } finally {
      await stopAll(contenders)
    }
  })
}

/** The request of a cast. Any answer with the id of a job is right. */
export function accepting(): { path: string; question: () => Question } {
  const isAnswer = (text: string) => typeof (JSON.parse(text) as { id: unknown }).id === 'string'
  return { path: '/v1/services/adder/cast/add', question: () => ({ body: SMALL, isAnswer }) }
}

/**
 * Pauses the service, so that only the acceptance of casts is measured. It has to be started before it can be paused.
 */
export async function pause({ url, name }: Contender): Promise<void> {
  for (const action of ['start', 'pause']) {
    const { ok, status } = await fetch(url.replace(/cast\/add$/, action), { method: 'POST' })
    if (!ok) throw new Error(`${name} refuses to ${action}: ${status}`)
  }
}
