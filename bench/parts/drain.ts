/** Drains a backlog that was made before, until every outcome is stored: threadplane and other job queues, in turns. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender } from '../harness/contender.ts'
import { compared, DISK, forPeer, type Own, ownQueue, type Peer, POSTGRES } from '../harness/job-queues.ts'
import { pins } from '../harness/machine.ts'
import { MeasuredProcess } from '../harness/measured-process.ts'
import type { Report, Skipped } from '../harness/report.ts'
import { type Contestant, takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder } from '../harness/threadplane.ts'
import { BULK, type DrainReport } from '../servers/backlog.ts'

/**
 * Each contestant starts new processes, so a round with all takes some 25 s. The second round has only threadplane and
 * BullMQ at its best.
 */
const MAX_ROUNDS = 2
const POLL_MS = 20
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
  const once = { every: MAX_ROUNDS }
  const all: (Contestant<Drained> & { needs: Own | Peer })[] = [
    { name: DISK, needs: DISK, measure: () => drainOwn(DISK, jobs) },
    { ...once, name: POSTGRES, needs: POSTGRES, measure: () => drainOwn(POSTGRES, jobs) },
    { ...once, name: 'pg-boss', needs: 'pg-boss', measure: () => drainPeer('pg-boss', jobs) },
    { ...once, name: 'graphile-worker', needs: 'graphile-worker', measure: () => drainPeer('graphile-worker', jobs) },
    // The concurrency at which BullMQ is fastest, and the default concurrency of a service, which takes longer.
    { name: 'bullmq 64 at once', needs: 'bullmq', measure: () => drainPeer('bullmq', jobs, '64') },
    { ...once, name: 'bullmq 2 at once', needs: 'bullmq', measure: () => drainPeer('bullmq', jobs / 4, '2') },
  ]
  const contestants = all.filter(({ needs }) => !skipped.some(({ name }) => name === needs))
  const columns = [
    ...compared(({ jobs, seconds }: Drained) => jobs / seconds),
    { title: 'CPU µs', of: ({ jobs, cpuMs }: Drained) => (cpuMs * 1_000) / jobs },
  ]
  const turns = await takeTurns(contestants, Math.min(rounds, MAX_ROUNDS), 0)
  report.add('backlog drained, both cores', turns, columns, skipped)
}

function drainOwn(name: Own, jobs: number): Promise<Drained> {
  return inFolder(async (folder) => {
    const path = '/v1/services/adder/call/add'
    const { options, counts } = await ownQueue(name, path, join(folder, 'data'), pins('both cores').servers)
    const plane = await Contender.start(options)
    try {
      const base = plane.url.replace(path, '')
      await post(`${base}/v1/services/adder/pause`, '{}', 'application/json')
      const bulk = '{"a":2,"b":3}\n'.repeat(BULK)
      const made = bulks(jobs)
      for (let cast = 0; cast < made; cast += BULK) {
        await post(`${base}/v1/services/adder/cast/add`, bulk, 'application/x-ndjson')
      }
      const before = plane.process.cpuMs
      const since = performance.now()
      await post(`${base}/v1/services/adder/resume`, '{}', 'application/json')
      while (await hasUnfinished(base)) await sleep(POLL_MS)
      const seconds = (performance.now() - since) / 1_000
      const cpuMs = plane.process.cpuMs - before
      const { succeeded = 0 } = await counts(plane)
      return checked({ jobs: made, seconds, cpuMs }, succeeded)
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

function drainPeer(name: Peer, jobs: number, ...args: string[]): Promise<Drained> {
  return inFolder(async (folder) => {
    const made = bulks(jobs)
    const peer = new MeasuredProcess({
      ...(await forPeer(name, folder, pins('both cores').servers)),
      program: new URL(`../servers/${name}-drain.js`, import.meta.url),
      args: [String(made), ...args],
      ipc: true,
    })
    try {
      await peer.nextMessage()
      const before = peer.cpuMs
      peer.child.send('begin')
      const { seconds, succeeded } = (await peer.nextMessage()) as DrainReport
      return checked({ jobs: made, seconds, cpuMs: peer.cpuMs - before }, succeeded)
    } finally {
      await peer.stop()
    }
  })
}

/** So many jobs, in whole bulks. */
function bulks(jobs: number): number {
  return Math.ceil(jobs / BULK) * BULK
}

function checked(drained: Drained, succeeded: number): Drained {
  if (succeeded < drained.jobs) throw new Error(`of ${drained.jobs} jobs only ${succeeded} have succeeded`)
  return drained
}
