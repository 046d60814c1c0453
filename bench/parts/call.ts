/** `call` through threadplane, side by side with the same function inline and with what people use instead. */
import { join } from 'node:path'
import type { ContenderOptions } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { installPeers, missing, PEERS, redisVersion } from '../harness/peers.ts'
import { Report, type Skipped } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'
import { POOLS } from '../pools/pools.ts'

export const INLINE: ContenderOptions = { name: 'fastify + ajv', program: 'inline-ajv.js', path: '/add' }

/** Ten times slower than the others at least: their ratios vary less than they differ. */
const SLOW = { every: 2 }

type Peer = ContenderOptions & { needs: { packages: string[]; programs?: string[] } }

export async function call(settings: Settings): Promise<void> {
  installPeers()
  await inFolder(async (folder) => {
    const pinned = pins(settings.cores)
    const load = new Load(pinned.load)
    const peers = peersIn(folder)
    const packages = [...new Set(peers.flatMap(({ needs }) => needs.packages))]
    const part = settings.cores === 'one core' ? 'call-one-core' : 'call'
    const report = new Report(part, settings, packages, { load: describeLoad(), 'redis-server': redisVersion() })
    const { options, skipped } = chosen(folder, peers, settings)
    const started = await startAll(
      options.map((option) => ({ ...option, prefix: pinned.servers })),
      [INLINE.name, 'threadplane'],
    )
    try {
      const turns = await loadInTurns(started.contenders, load, settings)
      const title = `call, ${settings.cores}`
      report.add(title, turns, columns('calls', INLINE.name, 'threadplane'), [...skipped, ...started.skipped])
      report.write()
    } finally {
      await stopAll(started.contenders)
      load.close()
    }
  })
}

function chosen(
  folder: string,
  peers: readonly Peer[],
  { only }: Settings,
): { options: ContenderOptions[]; skipped: Skipped[] } {
  const own = [
    INLINE,
    { name: 'fastify + zod', program: 'inline-zod.js', path: '/add' },
    threadplane({ path: '/v1/services/adder/call/add', data: join(folder, 'threadplane') }),
  ]
  const wanted = ({ name }: ContenderOptions) =>
    only === undefined || only.includes(name) || name === INLINE.name || name === 'threadplane'
  const options = own.filter(wanted)
  const skipped: Skipped[] = []
  for (const peer of peers.filter(wanted)) {
    const why = missing(peer.needs.packages, peer.needs.programs)
    if (why === undefined) options.push(peer)
    else skipped.push({ name: peer.name, why })
  }
  return { options, skipped }
}

function peersIn(folder: string): Peer[] {
  const path = '/add'
  return [
    ...Object.entries(POOLS).map(([name, { peer }]) => ({
      name,
      program: 'pool.js',
      args: [name],
      path,
      needs: { packages: [peer] },
    })),
    {
      ...SLOW,
      name: 'watt',
      program: `${PEERS}node_modules/wattpm/bin/wattpm.js`,
      args: ['start', `${PEERS}watt`],
      path,
      needs: { packages: ['wattpm', '@platformatic/node', 'undici'] },
    },
    {
      ...SLOW,
      name: 'bullmq',
      program: 'bullmq-call.js',
      path,
      environment: { FOLDER: join(folder, 'redis') },
      needs: { packages: ['bullmq'], programs: ['redis-server'] },
    },
    {
      ...SLOW,
      name: 'restate',
      program: 'restate.js',
      path: '/adder/add',
      environment: { FOLDER: join(folder, 'restate') },
      needs: { packages: ['@restatedev/restate-server', '@restatedev/restate-sdk'] },
    },
  ]
}
