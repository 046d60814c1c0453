/** Calls through threadplane, compared with the same function inline and with what people use instead. */
import { join } from 'node:path'
import type { ContenderOptions } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { installPeers, missing, PEERS, redisVersion } from '../harness/peers.ts'
import { Report, type Skipped } from '../harness/report.ts'
import { type Settings, wanted } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'
import { POOLS } from '../pools/pools.ts'

export const INLINE: ContenderOptions = { name: 'fastify + ajv', program: 'inline-ajv.js', path: '/add' }

/** For peers that are at least ten times slower, or that no goal names: fewer rounds are enough for their ratios. */
const SELDOM = { every: 2 }
/** The peers that take part where the servers share one core; the others are far slower. */
const ON_ONE_CORE = ['piscina', 'piscina 64 at once']

const ALWAYS = [INLINE.name, 'threadplane']

type Peer = ContenderOptions & { needs: { packages: string[]; programs?: string[] } }

export async function call(settings: Settings): Promise<void> {
  installPeers()
  await inFolder(async (folder) => {
    const pinned = pins(settings.cores)
    const load = new Load(pinned.load)
    const peers = peersIn(folder).filter(({ name }) => settings.cores === 'both cores' || ON_ONE_CORE.includes(name))
    const packages = [...new Set(peers.flatMap(({ needs }) => needs.packages))]
    const part = settings.cores === 'one core' ? 'call-one-core' : 'call'
    const report = new Report(part, settings, packages, { load: describeLoad(), 'redis-server': redisVersion() })
    const { options, skipped } = present(wanted(settings, ALWAYS, [...ownIn(folder), ...peers]))
    const started = await startAll(
      options.map((option) => ({ ...option, prefix: pinned.servers })),
      ALWAYS,
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

/** The contestants that have all they need, and why the others are skipped. */
function present(contestants: readonly (ContenderOptions | Peer)[]): {
  options: ContenderOptions[]
  skipped: Skipped[]
} {
  const options: ContenderOptions[] = []
  const skipped: Skipped[] = []
  for (const contestant of contestants) {
    const why = 'needs' in contestant ? missing(contestant.needs.packages, contestant.needs.programs) : undefined
    if (why === undefined) options.push(contestant)
    else skipped.push({ name: contestant.name, why })
  }
  return { options, skipped }
}

function ownIn(folder: string): ContenderOptions[] {
  return [
    INLINE,
    { name: 'fastify + zod', program: 'inline-zod.js', path: '/add' },
    threadplane({ path: '/v1/services/adder/call/add', data: join(folder, 'threadplane') }),
  ]
}

function peersIn(folder: string): Peer[] {
  const path = '/add'
  return [
    ...Object.entries(POOLS).map(([name, { peer }]) => ({
      ...(peer !== 'piscina' && SELDOM),
      name,
      program: 'pool.js',
      args: [name],
      path,
      needs: { packages: [peer] },
    })),
    {
      ...SELDOM,
      name: 'watt',
      program: `${PEERS}node_modules/wattpm/bin/wattpm.js`,
      args: ['start', `${PEERS}watt`],
      path,
      needs: { packages: ['wattpm', '@platformatic/node', 'undici'] },
    },
    {
      ...SELDOM,
      name: 'bullmq',
      program: 'bullmq-call.js',
      path,
      environment: { FOLDER: join(folder, 'redis') },
      needs: { packages: ['bullmq'], programs: ['redis-server'] },
    },
    {
      ...SELDOM,
      name: 'restate',
      program: 'restate.js',
      path: '/adder/add',
      environment: { FOLDER: join(folder, 'restate') },
      needs: { packages: ['@restatedev/restate-server', '@restatedev/restate-sdk'] },
    },
  ]
}
