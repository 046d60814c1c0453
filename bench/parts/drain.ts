/** Drains a backlog that was made before, until every outcome is on disk: threadplane and BullMQ, in turns. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender } from '../harness/contender.ts'
import { journalCounts } from '../harness/journal-counts.ts'
import { pins } from '../harness/machine.ts'
import { MeasuredProcess } from '../harness/measured-process.ts'
import type { Report, Skipped } from '../harness/report.ts'
import { type Contestant, takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'

/** A round takes most of a minute, as each contestant starts new processes. */
const MAX_ROUNDS = 2
const LINES = 1_000
const POLL_MS = 20
/**
 * The concurrency at which BullMQ is fastest, and the default concurrency of a service. The second takes so long that
 * it runs once, with a part of the backlog.
 */
const CONCURRENCIES = [
  { concurrency: 64, every: 1, part: 1 },
  { concurrency: 2, every: MAX_ROUNDS, part: 0.25 },
]
const UNFINISHED = ['queued', 'scheduled', 'running']

interface Drained {
  jobs: number
  seconds: number
  cpuMs: number
}

export async function drain(
  report: Report,
  { jobs, rounds }: Pick<Settings, 'jobs' | 'rounds'>,
  skipped: readonly Skipped[],
): Promise<void> {
  const contestants: Contestant<Drained>[] = [{ name: 'threadplane', measure: () => drainThreadplane(jobs) }]
  if (skipped.length === 0) {
    for (const { concurrency, every, part } of CONCURRENCIES) {
      const measure = () => drainBull(Math.ceil(jobs * part), concurrency)
      contestants.push({ name: `bullmq ${concurrency} at once`, every, measure })
    }
  }
  const rate = ({ jobs, seconds }: Drained) => jobs / seconds
  const columns = [
    { title: 'jobs/s', of: rate },
    { title: 'threadplane ÷ it', of: rate, under: 'threadplane' },
    { title: 'CPU µs', of: ({ jobs, cpuMs }: Drained) => (cpuMs * 1_000) / jobs },
  ]
  const turns = await takeTurns(contestants, Math.min(rounds, MAX_ROUNDS), 0)
  report.add('backlog drained, both cores', turns, columns, skipped)
}

function drainThreadplane(jobs: number): Promise<Drained> {
  return inFolder(async (folder) => {
    const data = join(folder, 'data')
    const prefix = pins('both cores').servers
    const plane = await Contender.start(threadplane({ path: '/v1/services/adder/call/add', data, prefix }))
    try {
      const base = plane.url.replace('/v1/services/adder/call/add', '')
      await post(`${base}/v1/services/adder/pause`, '{}', 'application/json')
      const batch = '{"a":2,"b":3}\n'.repeat(LINES)
      for (let cast = 0; cast < jobs; cast += LINES) {
        await post(`${base}/v1/services/adder/cast/add`, batch, 'application/x-ndjson')
      }
      const before = plane.process.cpuMs
      const since = performance.now()
      await post(`${base}/v1/services/adder/resume`, '{}', 'application/json')
      while (await hasUnfinished(base)) await sleep(POLL_MS)
      const seconds = (performance.now() - since) / 1_000
      const cpuMs = plane.process.cpuMs - before
      await plane.stop()
      const { succeeded = 0 } = journalCounts(data)
      if (succeeded < jobs) throw new Error(`of ${jobs} jobs only ${succeeded} have succeeded`)
      return { jobs, seconds, cpuMs }
    } finally {
      await plane.stop()
    }
  })
}

async function post(url: string, body: string, type: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}

async function hasUnfinished(base: string): Promise<boolean> {
  for (const state of UNFINISHED) {
    const response = await fetch(`${base}/v1/jobs?state=${state}&limit=1`)
    if (((await response.json()) as { items: unknown[] }).items.length > 0) return true
  }
  return false
}

function drainBull(jobs: number, concurrency: number): Promise<Drained> {
  return inFolder(async (folder) => {
    const bull = new MeasuredProcess({
      program: new URL('../servers/bullmq-drain.js', import.meta.url),
      args: [String(jobs), String(concurrency)],
      environment: { FOLDER: folder },
      prefix: pins('both cores').servers,
      ipc: true,
    })
    try {
      await bull.nextMessage()
      const before = bull.cpuMs
      bull.child.send('begin')
      const { seconds, completed } = (await bull.nextMessage()) as { seconds: number; completed: number }
      if (completed < jobs) throw new Error(`of ${jobs} jobs only ${completed} are completed`)
      return { jobs, seconds, cpuMs: bull.cpuMs - before }
    } finally {
      await bull.stop()
    }
  })
}
