/**
 * Breaks a cluster in every way that docs/cluster.md promises something about, while clients cast and call through all
 * nodes: nodes are killed, PostgreSQL is killed, its synchronous standby takes its place, and networks are cut for 8 s.
 * Three nodes and the database are processes of their own; the networks are relays in this process, or with `--namespaces`
 * networks of the kernel, which need root and `ip`. It needs PostgreSQL.
 *
 *     node dist/bench/cluster-faults.js [--node-kills 20] [--engine-kills 20] [--failovers 5] [--partitions 10] [--clients 50]
 *       [--namespaces]
 */
import { parseArgs } from 'node:util'
import { noPostgres } from '../test/cluster/postgres.ts'
import { faultLoop } from './cluster/fault-loop.ts'
import type { FaultKind } from './cluster/faults.ts'
import { warnOfNoise } from './harness/machine.ts'

/** What docs/cluster.md promises; the lease is the default one. */
const MOST_REFUSAL_MS = 2_000
const MOST_TAKEOVER_MS = 5_000 + 1_500
/** An aim: docs/cluster.md says what limits it. */
const MOST_ACCEPTING_MS = 100
/** The whole run ends at the latest after this time, and so much for each fault. */
const MOST_MS = 240_000
const MOST_FAULT_MS = 30_000

const { values } = parseArgs({
  options: {
    'node-kills': { type: 'string', default: '20' },
    'engine-kills': { type: 'string', default: '20' },
    failovers: { type: 'string', default: '5' },
    partitions: { type: 'string', default: '10' },
    clients: { type: 'string', default: '50' },
    namespaces: { type: 'boolean', default: false },
  },
})
const counts: Record<FaultKind, number> = {
  nodeKill: Number(values['node-kills']),
  engineKill: Number(values['engine-kills']),
  failover: Number(values.failovers),
  partition: Number(values.partitions),
}

interface Row {
  what: string
  limit: string
  found: string
  isMet: boolean
}

function atMost(what: string, most: number, found: number): Row {
  return { what, limit: most === 0 ? '0' : `≤ ${most}`, found: String(Math.round(found)), isMet: found <= most }
}

/** All must be within the limit. */
function allAtMost(what: string, most: number, found: number[]): Row {
  const sorted = found.map(Math.round).sort((a, b) => a - b)
  const [median, greatest] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const isMet = found.every((each) => each <= most)
  if (found.length === 0) return { what, limit: `≤ ${most}`, found: 'not tried', isMet }
  return { what, limit: `≤ ${most}`, found: `${median}, at most ${greatest}`, isMet }
}

if (noPostgres !== false) throw new Error(noPostgres)
warnOfNoise()
const since = performance.now()
const count = Object.values(counts).reduce((sum, each) => sum + each, 0)
const mostMs = MOST_MS + count * MOST_FAULT_MS
setTimeout(() => {
  console.error(`NOT MET: not over after ${mostMs / 1_000} s`)
  // All processes are killed at the exit.
  process.exit(1)
}, mostMs).unref()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const { load, seen, outcomes } = await faultLoop({
  counts,
  clients: Number(values.clients),
  network: values.namespaces ? 'namespaces' : 'relays',
  begins: (kind, at) => console.error(`${at + 1} of ${count}: ${kind}`),
})
const rows = [
  atMost('acknowledged jobs lost', 0, outcomes.lost),
  atMost('jobs that have not ended exactly once', 0, outcomes.notEndedOnce),
  atMost('jobs that ran more often than recorded', 0, outcomes.ranTooOften),
  atMost('slowest refusal of a cast, ms', MOST_REFUSAL_MS, load.slowestRefusalMs),
  allAtMost('casts again after a restart of the database, ms', MOST_ACCEPTING_MS, seen.afterKillMs),
  allAtMost('casts again after a failover, ms', MOST_ACCEPTING_MS, seen.afterFailoverMs),
  allAtMost('jobs of a killed node run elsewhere, ms', MOST_TAKEOVER_MS, seen.takeoversMs),
  atMost('calls failed that no fault explains', 0, load.callsFailed),
]
const width = Math.max(...rows.map(({ what }) => what.length))
for (const { what, limit, found, isMet } of rows) {
  console.log(
    `${what.padEnd(width)}  ${limit.padEnd(7)}  ${found.padEnd(20)}  ${found === 'not tried' ? '' : isMet ? 'passed' : 'NOT MET'}`,
  )
}
const list = (ms: number[]) => ms.map(Math.round).join(' ')
console.log(
  `\n${Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ')}; ${values.clients} clients`,
)
console.log(`${load.acknowledged.size} casts acknowledged, the slowest in ${Math.round(load.slowestAcceptMs)} ms;`)
console.log(`${load.refused} refused or failed; ${outcomes.ranAgain} jobs ran more than once`)
console.log(`${load.called} calls, of which ${load.callsOfFault} failed of a fault that they met`)
console.log(`each restart of the database, ms: ${list(seen.afterKillMs)}; each failover: ${list(seen.afterFailoverMs)}`)
console.log(`each end of a cut from the database, ms: ${list(seen.afterCutMs)}`)
console.log(`each takeover, ms: ${list(seen.takeoversMs)}`)
for (const [failure, count] of load.failures) console.log(`  ${count} × ${failure}`)
console.log(`${Math.round((performance.now() - since) / 1_000)} s`)
if (rows.some(({ isMet }) => !isMet)) process.exitCode = 1
