/**
 * Compares job queues that store a job before they acknowledge it: how fast jobs are accepted while none runs, and how
 * fast a backlog is drained.
 */
import { join } from 'node:path'
import { postgresVersion } from '../harness/beside-postgres.ts'
import type { Contender, ContenderOptions } from '../harness/contender.ts'
import {
  compared,
  DISK,
  forPeer,
  type Own,
  ownQueue,
  type Peer,
  PEERS,
  POSTGRES,
  unavailable,
} from '../harness/job-queues.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { type Cores, pins } from '../harness/machine.ts'
import { installPeers, redisVersion } from '../harness/peers.ts'
import { Report, type Skipped } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { checkStored, sum } from '../harness/stored-jobs.ts'
import { inFolder } from '../harness/threadplane.ts'
import { cost, loadInTurns, rate, type Sample, startAll, stopAll } from '../harness/under-load.ts'
import { accepting, pause } from './cast.ts'
import { drain } from './drain.ts'

const WARM_UP_SECONDS = 2
/** Peers take part in one of so many rounds: with fewer the part would take too long. */
const PEER_EVERY = 2

export async function queues(settings: Settings): Promise<void> {
  installPeers()
  const skipped = unavailable()
  const report = new Report('queues', settings, [...PEERS, 'ioredis'], {
    load: describeLoad(),
    postgresql: postgresVersion(),
    'redis-server': redisVersion(),
  })
  await accepted(report, settings, 'both cores', [DISK, POSTGRES, ...PEERS], skipped)
  await accepted(report, settings, 'one core', [DISK, 'bullmq'], skipped)
  await drain(report, settings, skipped)
  report.write()
}

interface Accepting {
  options: ContenderOptions
  /** Counts the jobs that are stored. */
  stored: (server: Contender) => Promise<number>
}

async function accepted(
  report: Report,
  settings: Settings,
  cores: Cores,
  names: readonly (Own | Peer)[],
  missing: readonly Skipped[],
): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins(cores)
    const skipped = missing.filter(({ name }) => names.includes(name as Own | Peer))
    const queues = new Map<string, Accepting>()
    for (const name of names) {
      if (skipped.some((other) => other.name === name)) continue
      queues.set(name, await accepter(name, join(folder, name), pinned.servers))
    }
    const options = [...queues.values()].map(({ options }) => options)
    const started = await startAll(options, [DISK])
    const load = new Load(pinned.load)
    try {
      await Promise.all(started.contenders.filter(({ name }) => name === DISK || name === POSTGRES).map(pause))
      const turns = await loadInTurns(started.contenders, load, settings, WARM_UP_SECONDS)
      const p99 = { title: 'p99 ms', of: ({ p99Ms }: Sample) => p99Ms }
      const columns = [...compared(rate), { title: 'CPU µs', of: cost }, p99]
      report.add(`jobs accepted, ${cores}`, turns, columns, [...skipped, ...started.skipped])
      for (const server of started.contenders) {
        const { stored } = queues.get(server.name) as Accepting
        checkStored(server, [load], await stored(server))
      }
    } finally {
      load.close()
      await stopAll(started.contenders)
    }
  })
}

async function accepter(name: Own | Peer, folder: string, prefix: readonly string[]): Promise<Accepting> {
  const { path, question } = accepting()
  if (name === DISK || name === POSTGRES) {
    const { options, counts } = await ownQueue(name, path, folder, prefix, { question })
    return { options, stored: async (server) => sum(await counts(server)) }
  }
  const needs = await forPeer(name, folder, prefix)
  const options = { ...needs, name, question, path: '/add', program: `${name}-add.js`, every: PEER_EVERY }
  return { options, stored: storedByPeer }
}

async function storedByPeer({ port }: Contender): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/stored`)
  if (!response.ok) throw new Error(`the stored jobs cannot be counted: ${await response.text()}`)
  return ((await response.json()) as { stored: number }).stored
}
