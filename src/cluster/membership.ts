/**
 * This node among the others: its row, which each beat renews, and what it knows of the nodes that are alive. A node whose
 * row is older than the lease has gone: others delete the row, and from then on nothing can begin or end there. A node that
 * was itself cut off from the database waits for a lease before it says that of others, and goes on to know them until then.
 */
import type { ServiceLog } from '../contract/log.ts'
import type { PlacementOptions } from '../contract/options.ts'
import { BEAT, BEAT_AND_TELL, type BeatRow, JOIN, LEAVE, RENEW, textOf, type Told } from './beat.ts'
import type { Cluster, NodeIdentity, Peer } from './cluster.ts'
import { OtherNodes } from './other-nodes.ts'
import { isPlacedOn } from './placement.ts'
import type { RowKeeper } from './pulse.ts'
import type { Run } from './statement.ts'
import type { StoreClock } from './store-clock.ts'
import { timings } from './timings.ts'

/** Ids of jobs that one beat asks for. */
const MAX_ASKED = 1_000

/** Another node that is alive. */
export interface Member extends Peer {
  readonly version: string
  readonly startedAt: string
  /** Of its last beat. */
  readonly seenAt: string
}

/** What the beat tells and asks for. */
export interface Report extends Omit<Told, 'labels' | 'isLeaving'> {
  /** Services whose jobs could begin here. */
  services: string[]
  /** Jobs whose end is waited for here. */
  waitedFor: string[]
}

const NOTHING: Report = { load: new Map(), modules: new Map(), services: [], waitedFor: [] }

export interface MembershipOptions {
  self: NodeIdentity
  /** The version of the package. */
  version: string
  leaseMs: number
  clock: StoreClock
  log: ServiceLog
}

export class Membership implements Cluster, RowKeeper {
  readonly self: NodeIdentity
  peers: readonly Member[] = []
  /** Asked for each beat. */
  report: () => Report = () => NOTHING
  readonly leaseMs: number
  readonly #options: MembershipOptions
  /** Its last row was written at this time at the latest, by the monotonic clock; `undefined`: never. */
  #renewedAt: number | undefined
  /** Since when it has seen the database without a break, by the monotonic clock. */
  #seesSince: number | undefined
  #presence: 'stays' | 'drains' | 'leaves' | 'left' = 'stays'
  readonly #onChanged: (() => void)[] = []
  readonly #onLost: (() => void)[] = []
  readonly #onBeat: ((answer: BeatRow) => void)[] = []
  /** What the last beat told of this node. */
  #reported = NOTHING
  readonly #others = new OtherNodes()
  /** A beat has found that its row is gone, and the listeners of `onLost` have not been told yet. */
  #isLost = false
  /** What the row of this node tells, and the transaction that has written that. */
  #told: { text: string; by: string | null } | undefined
  /** Are there nodes whose rows are older than the lease? */
  hasSilent = false

  constructor(options: MembershipOptions) {
    this.#options = options
    this.self = options.self
    this.leaseMs = options.leaseMs
  }

  /** Those that are alive, this one included. */
  get nodes(): number {
    return 1 + this.peers.length
  }

  get holdsLease(): boolean {
    return this.#renewedAt !== undefined && performance.now() - this.#renewedAt < this.leaseMs
  }

  /** May it say of others that they have gone? */
  get maySpeakOfOthers(): boolean {
    return this.#seesSince !== undefined && performance.now() - this.#seesSince >= this.leaseMs
  }

  onChanged(listener: () => void): void {
    this.#onChanged.push(listener)
  }

  /** Calls the listener when others have taken this node for gone: what runs here runs again elsewhere. */
  onLost(listener: () => void): void {
    this.#onLost.push(listener)
  }

  /** Calls the listener after each beat. */
  onBeat(listener: (answer: BeatRow) => void): void {
    this.#onBeat.push(listener)
  }

  /** Is a service to run on this node? */
  runsHere(service: string, placement: PlacementOptions | undefined): boolean {
    if (placement === undefined) return true
    const others = this.peers.filter(({ isLeaving }) => !isLeaving)
    if (this.#presence === 'drains' && others.some((other) => isPlacedOn(other, [], service, placement))) return false
    return isPlacedOn(this.self, others, service, placement)
  }

  /** Names of the nodes that have a service, by the hash of its module: more than one hash is a skew. */
  modulesOf(service: string): Map<string, string[]> {
    const nodes: Pick<Peer, 'name' | 'modules'>[] = [{ name: this.self.name, ...this.#reported }, ...this.peers]
    const names = new Map<string, string[]>()
    for (const { name, modules } of nodes) {
      const hash = modules.get(service)
      if (hash !== undefined) names.set(hash, [...(names.get(hash) ?? []), name])
    }
    return names
  }

  readonly beat = async (run: Run): Promise<void> => {
    const sentAt = performance.now()
    const { clock } = this.#options
    const report = this.report()
    this.#reported = report
    const told = textOf({ ...report, labels: this.self.labels, isLeaving: this.isLeaving })
    const asked = report.waitedFor.slice(0, MAX_ASKED)
    try {
      const given = [this.self.id, report.services, asked, this.#others.changedFrom(run)]
      const tells = told !== this.#told?.text
      const { rows } = await clock.measured(() =>
        tells ? run<BeatRow>(BEAT_AND_TELL, [...given, told]) : run<BeatRow>(BEAT, given),
      )
      const answer = rows[0] as BeatRow
      await this.#others.update(run, answer)
      const isMember = answer.toldBy !== null
      // Kept until it is told: the answer of the join may be lost, and the next beat then finds the row.
      if (!isMember && this.#renewedAt !== undefined && this.#presence !== 'left') this.#isLost = true
      // A beat that was under way when this node left must not bring its row back.
      const toldBy = isMember || this.#presence === 'left' ? answer.toldBy : await this.#join(run, told)
      // Another transaction may have written the row, such as a beat that was given up: then the next beat tells again.
      this.#told = tells || !isMember || toldBy === this.#told?.by ? { text: told, by: toldBy } : undefined
      this.#seen(sentAt)
      this.#update(answer.now)
      if (this.#isLost) this.#lost()
      for (const listener of this.#onBeat) listener(answer)
    } catch (error) {
      this.#seesSince = undefined
      throw error
    }
  }

  /** After an outage: renews the row. What others have told meanwhile is read by the beat that follows. */
  readonly renew = async (run: Run): Promise<void> => {
    this.#seesSince = undefined
    if (this.#presence === 'left') return
    const sentAt = performance.now()
    const { clock } = this.#options
    const { count } = await clock.measured(() => run<{ now: number }>(RENEW, [this.self.id]))
    if (count > 0 && !this.#isLost) this.#renewedAt = sentAt
    // Others have taken this node for gone.
    else await this.beat(run)
  }

  /** Answers the transaction that has written the row. */
  async #join(run: Run, told: string): Promise<string | null> {
    const { id, name, url, token } = this.self
    const given = [id, name, url, token, this.#options.version, told]
    return (await run<Pick<BeatRow, 'toldBy'>>(JOIN, given)).rows[0]?.toldBy ?? null
  }

  /** A pause of this process, or a time without a connection, is a break too. */
  #seen(sentAt: number): void {
    const longest = 2 * timings.beatEveryMs + timings.beatWithinMs
    if (this.#renewedAt !== undefined && sentAt - this.#renewedAt > longest) this.#seesSince = undefined
    this.#seesSince ??= sentAt
    this.#renewedAt = sentAt
  }

  /**
   * After an outage all rows are old, and most of the nodes alive: they are known until that is sure.
   * @param now by the clock of the database
   */
  #update(now: number): void {
    const known = new Set(this.peers.map(({ id }) => id))
    const others = this.#others.all
    const silent = new Set(others.filter(({ beatAt }) => now - beatAt >= this.leaseMs).map(({ id }) => id))
    this.hasSilent = silent.size > 0
    this.peers = others
      .filter(({ id }) => !silent.has(id) || (known.has(id) && !this.maySpeakOfOthers))
      .map(({ beatAt, ...other }) => ({ ...other, seenAt: new Date(beatAt).toISOString() }))
    for (const listener of this.#onChanged) listener()
  }

  #lost(): void {
    this.#isLost = false
    this.#options.log.error('this node was taken for gone: what ran here may run again on other nodes')
    for (const listener of this.#onLost) listener()
  }

  /** Services that are placed on this node move to others, from the next beat on. */
  startLeaving(): void {
    this.#presence = 'leaves'
  }

  /** This node takes no new work, and stays: other nodes run what is placed on some nodes only. */
  startDraining(): void {
    if (this.#presence === 'stays') this.#presence = 'drains'
  }

  get isLeaving(): boolean {
    return this.#presence !== 'stays'
  }

  /** Attempts that have not ended here are those of a node that has gone. */
  async leave(run: Run): Promise<void> {
    this.#presence = 'left'
    await run(LEAVE, [this.self.id])
  }
}
