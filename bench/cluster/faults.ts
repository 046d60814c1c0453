/** The faults: each begins, is seen through, and leaves a cluster that works. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../harness/eventually.ts'
import type { RunsFile } from '../harness/kept-jobs.ts'
import type { Fleet, FleetNode } from './fleet.ts'
import type { Load } from './load.ts'

const CUT_MS = 8_000
/** Between two faults: each is to meet a cluster at work. */
const REST_MS = 1_500
/** Jobs that are cast so that some run on a node when it is killed. */
const LONG_JOBS = 6
const LONG_MS = 2_000

export const FAULTS = ['nodeKill', 'engineKill', 'failover', 'partition'] as const
export type FaultKind = (typeof FAULTS)[number]

export class Faults {
  /** From the kill of a node until all that ran there runs elsewhere, of each kill. */
  readonly takeoversMs: number[] = []
  /** From when the database can be used until each node accepts casts: the slowest node, of each kill. */
  readonly afterKillMs: number[] = []
  readonly afterFailoverMs: number[] = []
  /** From the end of a partition between a node and the database. */
  readonly afterCutMs: number[] = []
  readonly #fleet: Fleet
  readonly #load: Load
  readonly #runs: RunsFile
  #turns = 0
  #cuts = 0

  constructor(fleet: Fleet, load: Load, runs: RunsFile) {
    this.#fleet = fleet
    this.#load = load
    this.#runs = runs
  }

  async run(kind: FaultKind): Promise<void> {
    this.#turns += 1
    const node = this.#fleet.nodes[this.#turns % this.#fleet.nodes.length] as FleetNode
    switch (kind) {
      case 'nodeKill':
        await this.#killNode(node)
        break
      case 'engineKill':
        await this.#killEngine()
        break
      case 'failover':
        await this.#failOver()
        break
      case 'partition':
        this.#cuts += 1
        if (this.#cuts % 2 === 1) await this.#cutFromDatabase(node)
        else await this.#cutNodes()
    }
    await this.#fleet.untilPlaced()
    this.#load.ended()
    await sleep(REST_MS)
  }

  async #killNode(node: FleetNode): Promise<void> {
    const { pid } = node.process ?? {}
    const ids: (string | undefined)[] = []
    const lastRun = (id = '') => this.#runs.runs.get(id)?.at(-1)
    const here = () => {
      this.#runs.read()
      return ids.filter((id) => lastRun(id)?.pid === pid)
    }
    await eventually(`a job to run on ${node.name}`, async () => {
      if (here().length > 0) return true
      // Any node may take what cannot begin at once.
      if (ids.every((id) => id === undefined || lastRun(id) !== undefined))
        ids.push(...(await Promise.all(Array.from({ length: LONG_JOBS }, () => this.#load.cast(node, LONG_MS)))))
      return false
    })
    this.#load.begins('node killed')
    const killedAt = Date.now()
    await this.#fleet.kill(node)
    const lost = here()
    await this.#fleet.launch(node)
    await eventually(`the jobs of ${node.name} to run elsewhere`, () => here().length === 0)
    this.takeoversMs.push(Math.max(...lost.map((id) => (lastRun(id)?.at ?? 0) - killedAt)))
  }

  async #killEngine(): Promise<void> {
    this.#load.begins('database killed')
    const { postgres } = this.#fleet
    await postgres.kill()
    await sleep(Math.random() * 1_000)
    await postgres.start()
    this.afterKillMs.push(await this.#untilAccepting(this.#fleet.nodes))
  }

  async #failOver(): Promise<void> {
    this.#load.begins('standby begins')
    const { postgres, nodes } = this.#fleet
    const standby = await postgres.startStandby(this.#fleet)
    await sleep(REST_MS)
    this.#load.begins('database fails over')
    await postgres.kill()
    await standby.promote()
    this.#fleet.postgres = standby
    for (const { toDatabase } of nodes) toDatabase.target = standby.port
    this.afterFailoverMs.push(await this.#untilAccepting(nodes))
  }

  async #cutFromDatabase(node: FleetNode): Promise<void> {
    this.#load.begins('node cut from the database')
    node.links.database.cut()
    await sleep(CUT_MS)
    node.links.database.heal()
    this.afterCutMs.push(await this.#untilAccepting([node]))
  }

  /** Each node is cut from each other one. */
  async #cutNodes(): Promise<void> {
    const { nodes } = this.#fleet
    this.#load.begins('nodes cut from each other', { cutsNodes: true })
    for (const { links } of nodes) links.nodes.cut()
    await sleep(CUT_MS)
    for (const { links } of nodes) links.nodes.heal()
  }

  async #untilAccepting(nodes: readonly FleetNode[]): Promise<number> {
    const since = performance.now()
    const times = nodes.map(async (node) => {
      await eventually(`${node.name} to accept casts`, async () => (await this.#load.cast(node, 0)) !== undefined)
      return performance.now() - since
    })
    return Math.max(...(await Promise.all(times)))
  }
}
