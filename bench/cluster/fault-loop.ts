/** Breaks a cluster in several ways, one after another, while clients cast and call, and judges what became of their jobs. */
import { join } from 'node:path'
import { RunsFile } from '../harness/kept-jobs.ts'
import { FAULTS, type FaultKind, Faults } from './faults.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import { Load } from './load.ts'
import { type Outcomes, outcomesOf } from './outcomes.ts'

export interface FaultLoopOptions {
  /** How often each fault is made. Of the partitions, every second one is between nodes, the others from the database. */
  counts: Readonly<Record<FaultKind, number>>
  clients: number
  network: NonNullable<FleetOptions['network']>
  begins?: (kind: FaultKind, at: number) => void
}

export interface FaultReport {
  /** What the clients have seen. */
  load: Load
  /** How long the cluster took after each fault. */
  seen: Faults
  outcomes: Outcomes
}

export async function faultLoop({ counts, clients, network, begins }: FaultLoopOptions): Promise<FaultReport> {
  const fleet = await Fleet.start({ network })
  try {
    const runs = new RunsFile(join(fleet.folder, 'runs'))
    const load = new Load(fleet.nodes, runs.path, clients)
    const seen = new Faults(fleet, load, runs)
    try {
      for (const [at, kind] of orderOf(counts).entries()) {
        begins?.(kind, at)
        await seen.run(kind)
      }
    } finally {
      await load.end()
    }
    return { load, seen, outcomes: await outcomesOf(fleet, load.acknowledged, runs) }
  } finally {
    await fleet.end()
  }
}

/** Each kind is spread evenly over the whole. */
function orderOf(counts: FaultLoopOptions['counts']): FaultKind[] {
  const at = (kind: FaultKind) =>
    Array.from({ length: counts[kind] }, (_, number) => ({ kind, at: (number + 0.5) / counts[kind] }))
  return FAULTS.flatMap(at)
    .sort((a, b) => a.at - b.at)
    .map(({ kind }) => kind)
}
