/**
 * What the store does by the clock, in small steps: attempts of nodes that have gone end, and what is old is forgotten. One
 * search for what is old is enough for all nodes: each of N nodes searches at every Nth time on average, chosen at random.
 * So nobody has to be chosen, and no node that hangs keeps the others from it.
 */
import type { ServiceLog } from '../contract/log.ts'
import { hasCode } from '../contract/errors.ts'
import type { AuditRetention } from './audit-retention.ts'
import type { Database } from './database.ts'
import type { Membership } from './membership.ts'
import { endLostAttempts, forgetNodes, type LostAttempt } from './recovery.ts'
import type { Retention } from './retention.ts'
import { timings } from './timings.ts'

export interface UpkeepParts {
  database: Database
  membership: Membership
  retention: Retention
  audit: AuditRetention
  log: ServiceLog
}

export class Upkeep {
  readonly #parts: UpkeepParts
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #isClosed = false

  /** Told of attempts that have ended with their nodes. */
  onRecovered: (attempts: LostAttempt[]) => void = () => {}
  #recovering: Promise<void> | undefined

  constructor(parts: UpkeepParts) {
    this.#parts = parts
    const { membership } = parts
    membership.onBeat(({ hasLost }) => {
      if (membership.maySpeakOfOthers && (hasLost || membership.hasSilent)) this.#recoverSoon()
    })
  }

  start(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#running = this.#once().finally(() => this.start())
    }, timings.upkeepEveryMs).unref()
  }

  /** Forgets what is old. Answers the number of transactions but the last ones. */
  async retain(): Promise<number> {
    const { retention, audit } = this.#parts
    let steps = 0
    for (const each of [retention, audit]) {
      for await (const _step of each.steps()) {
        steps += 1
        if (this.#isClosed) return steps
      }
    }
    return steps
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.all([this.#running, this.#recovering])
  }

  async #once(): Promise<void> {
    const { database, membership } = this.#parts
    if (!database.isWritable || Math.random() * (1 + membership.peers.length) >= 1) return
    try {
      await this.retain()
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    // The database logs that it cannot be used.
    if (hasCode(error, 'JOURNAL_UNAVAILABLE')) return
    this.#parts.log.error({ err: error }, 'the upkeep of the database has failed')
  }

  /** Beats do not wait for it. */
  #recoverSoon(): void {
    this.#recovering ??= this.#recover()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#recovering = undefined
      })
  }

  async #recover(): Promise<void> {
    const { database, membership, log } = this.#parts
    const nodes = await forgetNodes(database.run, membership.leaseMs)
    const attempts = await endLostAttempts(database.run)
    if (nodes.length + attempts.length === 0) return
    log.warn({ nodes, attempts: attempts.length }, 'nodes have gone: the attempts that ran there have ended')
    this.onRecovered(attempts)
  }
}
