/**
 * This server as a node: joins what nodes share with the dispatcher, the schedules and the services of this server. What a
 * beat answers and what a hint says is the same: the hint is sooner, and the beat is sure.
 */
import { hasCode } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Notices } from '../jobs/notices.ts'
import type { OtherServers } from '../jobs/other-servers.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import type { BeatRow } from './beat.ts'
import type { NodeIdentity } from './cluster.ts'
import type { Hints } from './hints.ts'
import { isId } from './job-row.ts'
import type { Report } from './membership.ts'
import type { PgRegistrations } from './pg-registrations.ts'
import type { PgStore } from './pg-store.ts'
import { loadOf } from './service-load.ts'
import { statement } from './statement.ts'
import { timings } from './timings.ts'

/** Jobs that clients of other nodes wait for. The ends of others are told by the beat alone. */
const MAX_WATCHED = 10_000

const REQUEST_CANCEL = statement(
  'requestCancel',
  `UPDATE jobs SET cancel = true WHERE id = $1 AND state = 'running' AND NOT cancel`,
)

export interface ClusterNodeOptions {
  store: PgStore
  hints: Hints
  registrations: PgRegistrations
  log: ServiceLog
}

/** What of this server follows the other nodes. */
export interface Followers {
  notices: Notices
  services: () => readonly SupervisedService[]
  /** Calls the listener when the state of a service has changed. */
  onState: (listener: () => void) => void
  /** Reads the schedules again. */
  readSchedules: () => Promise<void>
  /** Other nodes have come or gone. */
  placementChanged: () => void
  /** Brings a service in line with its registration, and waits for that. */
  follow: (service: string) => Promise<void>
  /** The database could not be used for a while. */
  isBack: () => void
}

export class ClusterNode implements OtherServers {
  readonly #options: ClusterNodeOptions
  readonly #watched = new Set<string>()
  /** Of the schedules, when they were last read. */
  #schedules: number | undefined
  /** What decides the placement of services, as a text. */
  #nodes = ''
  #followers: Followers | undefined
  /** Is there something that others are to know soon? From a change until the beat that tells it has begun. */
  #isUntold = true
  /** Does the beat that is under way tell such a thing? */
  #tells = false
  #beatTimer: NodeJS.Timeout | undefined

  constructor(options: ClusterNodeOptions) {
    this.#options = options
  }

  follow(followers: Followers): void {
    this.#followers = followers
    const { store, hints } = this.#options
    const { membership } = store
    const { notices, isBack } = followers
    membership.report = () => this.#report(followers)
    membership.onLost(() => notices.lost())
    membership.onBeat((answer) => this.#heard(answer, followers))
    membership.onChanged(() => this.#placementMayChange(followers))
    store.database.onUp = isBack
    store.onRecovered((attempts) => {
      for (const { job, error } of attempts) notices.ended(job, error)
      for (const service of new Set(attempts.map(({ job }) => job.service))) {
        notices.work(service)
        hints.tell('work', service)
      }
    })
    followers.onState(() => this.#tellSoon())
    hints.on('nodes', () => this.#beatSoon())
    const each = (tell: (key: string) => void) => (keys: string[]) => keys.forEach(tell)
    hints.on(
      'work',
      each((service) => notices.work(service)),
    )
    hints.on(
      'finished',
      each((id) => notices.finished(id)),
    )
    hints.on(
      'cancel',
      each((id) => notices.cancel(id)),
    )
    hints.on(
      'watch',
      each((id) => this.#watch(id)),
    )
    hints.on('schedules', () => this.#readSchedules(followers))
  }

  /** The beat tells it, and then a hint has the other nodes ask for it. */
  #tellSoon(): void {
    this.#isUntold = true
    this.#beatSoon()
  }

  #beatSoon(): void {
    this.#beatTimer ??= setTimeout(() => {
      this.#beatTimer = undefined
      this.#options.store.database.beatNow()
    }, timings.beatSoonMs).unref()
  }

  #report({ notices, services }: Followers): Report {
    this.#tells = this.#isUntold
    this.#isUntold = false
    const load: [string, ReturnType<typeof loadOf>][] = []
    const modules: [string, string][] = []
    for (const service of services()) {
      const { hash } = service.threadSet.version
      load.push([service.name, loadOf(service)])
      if (hash !== undefined) modules.push([service.name, hash])
    }
    const waitedFor = notices.waitedFor().filter(isId)
    return { load: new Map(load), modules: new Map(modules), services: notices.services, waitedFor }
  }

  #heard(answer: BeatRow, followers: Followers): void {
    const { notices } = followers
    const { cancel, work, finished, registrations, schedules } = answer
    if (this.#tells) this.#options.hints.tell('nodes', this.#options.store.membership.self.id)
    for (const id of cancel) notices.cancel(id)
    for (const service of work) notices.work(service)
    for (const id of finished) notices.finished(id)
    this.#options.registrations.seen(registrations)
    if (schedules !== this.#schedules) this.#readSchedules(followers, schedules)
  }

  #readSchedules({ readSchedules }: Followers, revision = this.#schedules): void {
    readSchedules().then(
      () => {
        this.#schedules = revision
      },
      (error: unknown) => {
        // The next beat tells the revision again.
        if (hasCode(error, 'JOURNAL_UNAVAILABLE')) return
        this.#options.log.error({ err: error }, 'the schedules of other nodes cannot be read')
      },
    )
  }

  #placementMayChange({ placementChanged }: Followers): void {
    const { peers } = this.#options.store.membership
    const texts = peers.map(({ id, name, labels, isLeaving }) => JSON.stringify([id, name, labels, isLeaving]))
    const nodes = texts.sort().join()
    if (nodes === this.#nodes) return
    this.#nodes = nodes
    placementChanged()
  }

  #watch(id: string): void {
    this.#watched.add(id)
    const [oldest] = this.#watched
    if (this.#watched.size > MAX_WATCHED && oldest !== undefined) this.#watched.delete(oldest)
  }

  work(service: string): void {
    this.#options.hints.tell('work', service)
  }

  finished(id: string): void {
    if (this.#watched.delete(id)) this.#options.hints.tell('finished', id)
  }

  watch(id: string): void {
    if (isId(id)) this.#options.hints.tell('watch', id)
  }

  schedules(service: string): void {
    this.#options.hints.tell('schedules', service)
  }

  async requestCancel(id: string): Promise<void> {
    const { store, hints } = this.#options
    await store.database.run(REQUEST_CANCEL, [id])
    hints.tell('cancel', id)
  }

  get self(): NodeIdentity {
    return this.#options.store.membership.self
  }

  /** What another node has written of a service is done here when this resolves. */
  async bringInLine(service: string): Promise<void> {
    await this.#followers?.follow(service)
  }

  get isDraining(): boolean {
    return this.#options.store.membership.isLeaving
  }

  /** This node takes no new work until its server is started again. */
  drain(): void {
    if (this.isDraining) return
    this.#options.store.membership.startDraining()
    this.#followers?.notices.takeNothing()
    this.#followers?.placementChanged()
    this.#tellSoon()
  }

  /** Services that are placed here move to other nodes, which take no more calls for them to this one. */
  startLeaving(): void {
    this.#options.store.membership.startLeaving()
    this.#tellSoon()
  }

  /** Before the store is closed, which removes the row of this node. */
  async close(): Promise<void> {
    clearTimeout(this.#beatTimer)
    await this.#options.hints.close()
  }
}
