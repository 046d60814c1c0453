/**
 * Casts accepted, while nobody runs them, against the same server without a journal and BullMQ on a Redis that writes
 * before it answers; then a backlog drained.
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

const UNKEPT = 'no journal'
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
    const data = join(folder, 'kept')
    const options: ContenderOptions[] = [
      { ...common, name: UNKEPT, program: 'unkept.js', args: [WORKERS, join(folder, 'unkept')] },
      threadplane({ ...common, data }),
    ]
    const bull = { ...common, name: BULLMQ, program: 'bullmq-add.js', path: '/add' }
    if (skipped.length === 0) options.push({ ...bull, environment: { FOLDER: join(folder, 'redis') } })
    const started = await startAll(options, [UNKEPT, 'threadplane'])
    try {
      await Promise.all(started.contenders.filter(({ name }) => name !== BULLMQ).map(pause))
      const loads: Load[] = []
      for (const [before, body] of bodies.entries()) {
        const load = new Load(pinned.load, body)
        // What is hot is so from the body before.
        const turns = await loadInTurns(started.contenders, load, settings, before === 0 ? undefined : settings.seconds)
        const title = `casts accepted, ${cores}, ${body.length} bytes`
        report.add(title, turns, columns('casts', UNKEPT, 'threadplane'), [...skipped, ...started.skipped])
        load.close()
        loads.push(load)
      }
      await checkKept(started.contenders, loads, data)
    } finally {
      await stopAll(started.contenders)
    }
  })
}

/** How threadplane is asked to accept a cast. Any job will do for an answer, as long as it has an id. */
export function accepting(): { path: string; question: () => Question } {
  const isAnswer = (text: string) => typeof (JSON.parse(text) as { id: unknown }).id === 'string'
  return { path: '/v1/services/adder/cast/add', question: () => ({ body: SMALL, isAnswer }) }
}

/** Accepting is what is measured: nobody runs what was accepted. Only what has started can be paused. */
export async function pause({ url, name }: Contender): Promise<void> {
  for (const action of ['start', 'pause']) {
    const { ok, status } = await fetch(url.replace(/cast\/add$/, action), { method: 'POST' })
    if (!ok) throw new Error(`${name} refuses to ${action}: ${status}`)
  }
}

/** Whoever has answered has the job. */
async function checkKept(contenders: readonly Contender[], loads: readonly Load[], data: string): Promise<void> {
  for (const contender of contenders) {
    if (contender.name === UNKEPT) continue
    const acknowledged = loads.reduce((sum, { answered }) => sum + (answered.get(contender.url) ?? 0), 0)
    const kept = contender.name === BULLMQ ? await waitingIn(contender) : await keptBy(contender, data)
    console.log(`${contender.name}: ${acknowledged} acknowledged, ${kept} there`)
    if (kept >= acknowledged) continue
    console.log(`${contender.name} HAS LOST ${acknowledged - kept}`)
    process.exitCode = 1
  }
}

async function waitingIn({ port }: Contender): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/count`)
  return ((await response.json()) as { waiting: number }).waiting
}

async function keptBy(contender: Contender, data: string): Promise<number> {
  await contender.stop()
  return Object.values(journalCounts(data)).reduce((sum, jobs) => sum + jobs, 0)
}
