/**
 * The ends of attempts: finished, withdrawn, retried, released. Each changes a job only while the attempt that it names
 * runs at this node (P3). What cannot be written is kept in memory, and written when the database is back, before
 * everything else; a repeated statement knows what it has already done.
 */
import { Deferred } from '../async/deferred.ts'
import { hasCode } from '../contract/errors.ts'
import { errorKeyOf } from '../jobs/error-key.ts'
import type { JobError } from '../jobs/job.ts'
import type { JobOutcome, Withdrawal } from '../jobs/job-store.ts'
import { Batch } from './batch.ts'
import type { Database } from './database.ts'
import { unavailable } from './database-errors.ts'
import { END_ATTEMPTS, RELEASE_ATTEMPTS, RETRY_ATTEMPTS } from './outcome-statements.ts'
import type { OwnAttempts } from './own-attempts.ts'
import type { Run } from './statement.ts'
import type { StoreMeter } from './store-meter.ts'
import type { StoreClock } from './store-clock.ts'
import { timings } from './timings.ts'

const MAX_KEPT = 100_000
const MAX_KEPT_BYTES = 256 * 1024 * 1024
/** Kept outcomes that one statement writes. */
const STEP = 256
/** Groups of each kind that are written at the same time. */
const LANES = 2

/** The end of an attempt, with all that a repetition needs to be the same. */
type Outcome = { id: string; attempt: number } & (
  | {
      kind: 'end'
      state: 'succeeded' | 'failed' | 'cancelled' | 'expired'
      at: number
      result: string | null
      error: string | null
      errorKey: string | null
      begun: boolean
      log: string | null
    }
  | { kind: 'retry'; at: number; notBefore: number; error: string; log: string | null }
  | { kind: 'release' }
)

interface Kept {
  outcome: Outcome
  answer: Deferred<boolean>
}

export class Outcomes {
  readonly #database: Database
  readonly #node: string
  readonly #clock: StoreClock
  readonly #own: OwnAttempts
  readonly #batches: Record<Outcome['kind'], Batch<Outcome, boolean>>
  #kept: Kept[] = []
  #keptBytes = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(database: Database, node: string, clock: StoreClock, own: OwnAttempts, meter: StoreMeter) {
    this.#database = database
    this.#node = node
    this.#clock = clock
    this.#own = own
    const batch = () =>
      new Batch<Outcome, boolean>({
        write: (group) => this.#write(database.run, group, false),
        lanes: LANES,
        items: () => 1,
        bytes: bytesOf,
        meter,
      })
    this.#batches = { end: batch(), retry: batch(), release: batch() }
  }

  finish(id: string, attempt: number, outcome: JobOutcome): Promise<boolean> {
    const hasFailed = outcome.state === 'failed'
    return this.#record({
      kind: 'end',
      id,
      attempt,
      state: outcome.state,
      at: this.#clock.now(),
      result: hasFailed ? null : outcome.result,
      error: hasFailed ? JSON.stringify(outcome.error) : null,
      errorKey: hasFailed ? errorKeyOf(outcome.error) : null,
      begun: true,
      log: hasFailed ? (outcome.log ?? null) : null,
    })
  }

  withdraw(id: string, attempt: number, { state, error, begun }: Withdrawal): Promise<boolean> {
    const text = JSON.stringify(error)
    const at = this.#clock.now()
    const nothing = { result: null, errorKey: null, log: null }
    return this.#record({ kind: 'end', id, attempt, state, at, error: text, begun, ...nothing })
  }

  retry(id: string, attempt: number, error: JobError, notBefore: Date, log = ''): Promise<boolean> {
    const at = this.#clock.now()
    const due = this.#clock.toStore(notBefore.getTime())
    const text = JSON.stringify(error)
    return this.#record({ kind: 'retry', id, attempt, at, notBefore: due, error: text, log: log || null })
  }

  release(id: string, attempt: number): Promise<boolean> {
    return this.#record({ kind: 'release', id, attempt })
  }

  /** Outcomes that are kept are lost to this process: their attempts are found by the next one. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    rejectAll(this.#takeKept())
  }

  async #record(outcome: Outcome): Promise<boolean> {
    try {
      const changed = await this.#writeOrKeep(outcome)
      this.#own.ended(outcome.id, outcome.attempt)
      return changed
    } catch (error) {
      this.#own.ended(outcome.id, outcome.attempt)
      throw error
    }
  }

  async #writeOrKeep(outcome: Outcome): Promise<boolean> {
    if (this.#database.isWritable) {
      try {
        return await this.#batches[outcome.kind].push(outcome)
      } catch (error) {
        if (!hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
      }
    }
    const bytes = bytesOf(outcome)
    if (this.#isClosed) throw unavailable('the store is closed')
    if (this.#kept.length >= MAX_KEPT || this.#keptBytes + bytes > MAX_KEPT_BYTES)
      throw unavailable('too many outcomes already wait for the database')
    const answer = new Deferred<boolean>()
    this.#kept.push({ outcome, answer })
    this.#keptBytes += bytes
    this.#writeSoon()
    return await answer.promise
  }

  /** While the database can be used: it may have been too slow for one statement. */
  #writeSoon(): void {
    if (!this.#database.isWritable || this.#timer !== undefined || this.#kept.length === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.writeKept(this.#database.run).then(
        () => this.#writeSoon(),
        () => this.#writeSoon(),
      )
    }, timings.retryEveryMs).unref()
  }

  #takeKept(): Kept[] {
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    return kept
  }

  #keepAgain(kept: Kept[]): void {
    if (this.#isClosed) return rejectAll(kept)
    this.#kept = [...kept, ...this.#kept]
    for (const { outcome } of kept) this.#keptBytes += bytesOf(outcome)
  }

  /** Writes what is kept, and what comes meanwhile. @throws if the database is away again: then everything is still kept */
  async writeKept(run: Run): Promise<void> {
    while (this.#kept.length > 0) {
      const kept = this.#takeKept()
      for (let at = 0; at < kept.length; at += STEP) {
        const step = kept.slice(at, at + STEP)
        try {
          await this.#writeStep(run, step)
        } catch (error) {
          this.#keepAgain(kept.slice(at))
          throw error
        }
      }
    }
  }

  async #writeStep(run: Run, step: Kept[]): Promise<void> {
    for (const kind of ['end', 'retry', 'release'] as const) {
      const some = step.filter(({ outcome }) => outcome.kind === kind)
      if (some.length === 0) continue
      const outcomes = some.map(({ outcome }) => outcome)
      const written = await this.#write(run, outcomes, true)
      for (const [index, { answer }] of some.entries()) answer.resolve(written[index] as boolean)
    }
  }

  /** @param repeated an earlier statement with the same outcomes may have been done */
  async #write(run: Run, outcomes: Outcome[], repeated: boolean): Promise<boolean[]> {
    const [first] = outcomes
    if (first === undefined) return []
    const common = [outcomes.map(({ id }) => id), outcomes.map(({ attempt }) => attempt), this.#node, repeated]
    const changed = new Set<string>()
    const column = <Name extends string>(name: Name) =>
      outcomes.map((outcome) => (outcome as unknown as Record<Name, unknown>)[name])
    const written = async () => {
      switch (first.kind) {
        case 'end': {
          const names = ['state', 'at', 'result', 'error', 'errorKey', 'begun', 'log']
          return await run<{ id: string }>(END_ATTEMPTS, [...common, ...names.map(column)])
        }
        case 'retry':
          return await run<{ id: string }>(RETRY_ATTEMPTS, [
            ...common,
            ...['at', 'notBefore', 'error', 'log'].map(column),
          ])
        case 'release':
          return await run<{ id: string }>(RELEASE_ATTEMPTS, common)
      }
    }
    for (const { id } of (await written()).rows) changed.add(id)
    return outcomes.map(({ id }) => changed.has(id))
  }
}

function rejectAll(kept: Kept[]): void {
  for (const { answer } of kept) answer.reject(unavailable('the store is closed'))
}

function bytesOf(outcome: Outcome): number {
  const beside = 200
  switch (outcome.kind) {
    case 'end':
      return beside + 2 * ((outcome.result?.length ?? 0) + (outcome.error?.length ?? 0) + (outcome.log?.length ?? 0))
    case 'retry':
      return beside + 2 * (outcome.error.length + (outcome.log?.length ?? 0))
    case 'release':
      return beside
  }
}
