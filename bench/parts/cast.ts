/**
 * Measures how fast casts are accepted while no job runs, against the same server without a journal and against BullMQ
 * on a Redis that writes before it answers. Then measures how fast a backlog is drained.
 */
import { join } from 'node:path'
import { Contender, type ContenderOptions, type Question } from '../harness/contender.ts'
import { journalCounts } from '../harness/journal-counts.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { type Cores, pins } from '../harness/machine.ts'
import { installPeers, missing, redisVersion } from '../harness/peers.ts'
import { Report, type Skipped } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'
import { drain } from './drain.ts'

const NO_JOURNAL = 'no journal'
const BULLMQ = 'bullmq add'
const SMALL = '{"a":2,"b":3}'
const KIBIBYTE = `{"a":2,"b":3,"pad":"`.padEnd(1_022, 'x').concat('"}')

export async function cast(settings: Settings): Promise<void> {
  installPeers()
  const why = missing(['bullmq', 'ioredis'], ['redis-server'])
  const skipped = why === undefined ? [] : [{ name: BULLMQ, why }]
  const report = new Report('cast', settings, ['bullmq', 'ioredis'], {
    load: describeLoad(),
    'redis-server': redisVersion(),
  })
  await accepted(report, settings, 'both cores', [SMALL], skipped)
  await accepted(report, settings, 'one core', [SMALL, KIBIBYTE], skipped)
  await drain(report, settings, skipped)
  report.write()
}

async function accepted(
  report: Report,
  settings: Settings,
  cores: Cores,
  bodies: readonly string[],
  skipped: readonly Skipped[],
): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins(cores)
    const common = { ...accepting(), prefix: pinned.servers }
    const data = join(folder, 'threadplane')
    const options: ContenderOptions[] = [
      { ...common, name: NO_JOURNAL, program: 'no-journal.js', args: [WORKERS, join(folder, 'no-journal')] },
      threadplane({ ...common, data }),
    ]
    const bull = { ...common, name: BULLMQ, program: 'bullmq-add.js', path: '/add' }
    if (skipped.length === 0) options.push({ ...bull, environment: { FOLDER: join(folder, 'redis') } })
    const started = await startAll(options, [NO_JOURNAL, 'threadplane'])
    try {
      await Promise.all(started.contenders.filter(({ name }) => name !== BULLMQ).map(pause))
      const loads: Load[] = []
      for (const [before, body] of bodies.entries()) {
        const load = new Load(pinned.load, { body })
        // After the first body the hot code is compiled already.
        const turns = await loadInTurns(started.contenders, load, settings, before === 0 ? undefined : settings.seconds)
        const title = `casts accepted, ${cores}, ${body.length} bytes`
        report.add(title, turns, columns('casts', NO_JOURNAL, 'threadplane'), [...skipped, ...started.skipped])
        load.close()
        loads.push(load)
      }
      await checkStored(started.contenders, loads, data)
    } finally {
      await stopAll(started.contenders)
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

/** Checks that every acknowledged job is stored. */
async function checkStored(contenders: readonly Contender[], loads: readonly Load[], data: string): Promise<void> {
  for (const contender of contenders) {
    if (contender.name === NO_JOURNAL) continue
    const acknowledged = loads.reduce((sum, { answered }) => sum + (answered.get(contender.url) ?? 0), 0)
    const stored = contender.name === BULLMQ ? await waitingIn(contender) : await storedBy(contender, data)
    console.log(`${contender.name}: ${acknowledged} acknowledged, ${stored} stored`)
    if (stored >= acknowledged) continue
    console.log(`${contender.name} HAS LOST ${acknowledged - stored} JOBS`)
    process.exitCode = 1
  }
}

async function waitingIn({ port }: Contender): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/count`)
  return ((await response.json()) as { waiting: number }).waiting
}

async function storedBy(contender: Contender, data: string): Promise<number> {
  await contender.stop()
  return Object.values(journalCounts(data)).reduce((sum, jobs) => sum + jobs, 0)
}
