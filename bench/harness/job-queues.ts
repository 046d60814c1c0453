/** The job queues that are compared, and what the server of each needs. */
import { noPostgres } from '../../test/cluster/postgres.ts'
import { besidePostgres } from './beside-postgres.ts'
import { type Contender, type ContenderOptions, freePort } from './contender.ts'
import { missing } from './peers.ts'
import type { Skipped } from './report.ts'
import type { Column } from './rounds.ts'
import { databaseCounts, type JobCounts, journalCounts } from './stored-jobs.ts'
import { threadplane } from './threadplane.ts'

export const DISK = 'threadplane'
export const POSTGRES = 'threadplane on PostgreSQL'
/** Their programs are `servers/<name>-add.ts` and `servers/<name>-drain.ts`. */
export const PEERS = ['pg-boss', 'graphile-worker', 'bullmq'] as const

export type Own = typeof DISK | typeof POSTGRES
export type Peer = (typeof PEERS)[number]

/** The queues that lack something, and what. */
export function unavailable(): Skipped[] {
  const postgres = noPostgres === false ? undefined : noPostgres
  const reasons: [name: Own | Peer, why: string | undefined][] = [
    [POSTGRES, postgres],
    ['pg-boss', postgres ?? missing(['pg-boss'])],
    ['graphile-worker', postgres ?? missing(['graphile-worker'])],
    ['bullmq', missing(['bullmq', 'ioredis'], ['redis-server'])],
  ]
  return reasons.flatMap(([name, why]) => (why === undefined ? [] : [{ name, why }]))
}

/** The rate, and how many times as fast threadplane is, on its own disk and on PostgreSQL. */
export function compared<Sample>(of: (sample: Sample) => number): Column<Sample>[] {
  const ratios = [DISK, POSTGRES].map((own) => ({ title: `${own} ÷ it`, of, under: own }))
  return [{ title: 'jobs/s', of }, ...ratios]
}

interface OwnQueue {
  options: ContenderOptions
  /** Counts the jobs that are stored. It may stop the server first. */
  counts: (server: Contender) => Promise<JobCounts>
}

/** threadplane with its defaults, on its own disk or on a PostgreSQL. */
export async function ownQueue(
  name: Own,
  path: string,
  data: string,
  prefix: readonly string[],
  more: Partial<ContenderOptions> = {},
): Promise<OwnQueue> {
  const common = { ...more, name, path, data }
  if (name === DISK) {
    const counts = async (server: Contender) => {
      await server.stop()
      return journalCounts(data)
    }
    return { options: threadplane({ ...common, prefix }), counts }
  }
  const { url, prefix: besides } = await besidePostgres(prefix)
  const environment = { THREADPLANE_DATABASE_URL: url, THREADPLANE_NODE_PORT: String(await freePort()) }
  return { options: threadplane({ ...common, prefix: besides, environment }), counts: () => databaseCounts(url) }
}

/** What the server of a peer needs: a PostgreSQL beside it, or a folder for its Redis. */
export async function forPeer(
  name: Peer,
  folder: string,
  prefix: readonly string[],
): Promise<{ prefix: readonly string[]; environment: Record<string, string> }> {
  if (name === 'bullmq') return { prefix, environment: { FOLDER: folder } }
  const { url, prefix: besides } = await besidePostgres(prefix)
  return { prefix: besides, environment: { DATABASE_URL: url } }
}
