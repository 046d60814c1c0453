/** What the tests of the journal share: jobs as the dispatcher makes them, a journal without a thread, a silent log. */
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { fromWireError } from '../../src/contract/errors.ts'
import { uuidv7 } from '../../src/contract/uuidv7.ts'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted, AcceptRequest, Idempotency, JobStore } from '../../src/jobs/job-store.ts'
import { Journal, type JournalOptions } from '../../src/sqlite/journal.ts'
import { JournalClient } from '../../src/sqlite/journal-client.ts'
import type { JournalOperation, JournalOperations, JournalRequest } from '../../src/sqlite/messages.ts'
import { OpenJournal } from '../../src/sqlite/open-journal.ts'
import type { RetentionLimits } from '../../src/jobs/store-limits.ts'

const silent = () => {}
export const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, fatal: silent }

export const DAY_MS = 24 * 60 * 60 * 1_000

export const FAILED = { code: 'METHOD_FAILED', message: 'no such mailbox' }

export function openJournal(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({ folder, log, keepJobsMs: DAY_MS, ...options })
}

/**
 * A journal in the thread of the test, which costs a tenth of one in a thread of its own. Operations of one turn are one
 * group, as there.
 */
export class LocalJournal extends JournalClient {
  readonly path: string
  readonly isWritable = true
  readonly #open: OpenJournal
  readonly #replies = new Map<number, Deferred<unknown>>()
  #arrived: JournalRequest[] = []
  #lastId = 0
  #closed = false

  constructor(path: string, limits: Partial<RetentionLimits> = {}) {
    super()
    this.path = path
    this.#open = new OpenJournal(path, { keepJobsMs: DAY_MS, maxFinishedJobs: 1_000_000, ...limits })
    // Flushing is most of the time of a test, and no subject of those that use this class.
    this.#open.file.exec('PRAGMA synchronous = OFF')
  }

  protected override ask<Operation extends JournalOperation>(
    operation: Operation,
    ...args: Parameters<JournalOperations[Operation]>
  ): Promise<ReturnType<JournalOperations[Operation]>> {
    const reply = new Deferred<unknown>()
    this.#lastId += 1
    this.#replies.set(this.#lastId, reply)
    if (this.#arrived.length === 0) setImmediate(() => this.#commit())
    this.#arrived.push([this.#lastId, operation, args])
    return reply.promise as Promise<ReturnType<JournalOperations[Operation]>>
  }

  #commit(): void {
    const requests = this.#arrived
    this.#arrived = []
    for (const [id, value, error] of this.#open.commit(requests).replies) {
      const reply = this.#replies.get(id)
      this.#replies.delete(id)
      if (error === undefined) reply?.resolve(value)
      else reply?.reject(fromWireError(error))
    }
  }

  /** Forgets old jobs, as the thread does by the clock. Returns the number of transactions. */
  retain(): number {
    return [...this.#open.upkeep()].length
  }

  /** How many rows a table has. */
  count(table: string): number | undefined {
    return this.#open.file.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${table}`)?.rows
  }

  override async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#open.close()
  }
}

/** A journal in the thread of the test, in a folder of its own, closed when the test ends. */
export function localJournal(t: Test, limits: Partial<RetentionLimits> = {}): LocalJournal {
  const journal = new LocalJournal(join(t.testdir(), 'jobs.sqlite'), limits)
  t.teardown(() => journal.close())
  return journal
}

/** The journal after a restart. On a copy: the binding keeps a file locked until its statements are collected. */
export async function reopened(
  t: Test,
  journal: LocalJournal,
  limits: Partial<RetentionLimits> = {},
): Promise<LocalJournal> {
  await journal.close()
  const path = `${journal.path}-reopened`
  copyFileSync(journal.path, path)
  const again = new LocalJournal(path, limits)
  t.teardown(() => again.close())
  return again
}

export function request(facts: Partial<AcceptRequest> = {}): AcceptRequest {
  return {
    id: uuidv7(),
    service: 'mail',
    method: 'send',
    payload: '{"to":"ada"}',
    maxAttempts: 3,
    priority: 5,
    createdAt: Date.now(),
    notBefore: null,
    expiresAt: null,
    traceparent: null,
    schedule: null,
    begin: false,
    idempotency: undefined,
    tick: undefined,
    ...facts,
  }
}

export async function accept(store: JobStore, facts: Partial<AcceptRequest> = {}): Promise<Job> {
  const [accepted] = await store.accept([request(facts)])
  return (accepted as Accepted & { kind: 'new' }).job
}

/** Ids of jobs in the order of `facts`, accepted in one transaction. */
export async function acceptAll(store: JobStore, facts: Partial<AcceptRequest>[]): Promise<string[]> {
  const requests = facts.map(request)
  await store.accept(requests)
  return requests.map(({ id }) => id)
}

/** Facts of a request with an idempotency key. */
export function key(facts: Partial<Idempotency> = {}): { idempotency: Idempotency } {
  return { idempotency: { scope: 'mail/send/1', fingerprint: 'a', expiresAt: Date.now() + DAY_MS, ...facts } }
}

/** A job that has failed. */
export async function failed(store: JobStore, facts: Partial<AcceptRequest> = {}): Promise<Job> {
  const { id } = await accept(store, { ...facts, begin: true })
  await store.finish(id, 1, { state: 'failed', error: FAILED })
  return (await store.get(id)) as Job
}

/** Begins attempts of jobs that wait; their ids. */
export async function taken(store: JobStore, limit = 100): Promise<string[]> {
  return idsOf(await store.take('mail', limit, 1_000_000))
}

export function idsOf(jobs: { id: string }[]): string[] {
  return jobs.map(({ id }) => id)
}

const DEADLINE_MS = 60_000

/** What `check` returns, as soon as it is neither `undefined` nor `false`. */
export async function eventually<T>(check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const found = await check()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`${check.toString()} did not hold within ${DEADLINE_MS} ms`)
    await sleep(10)
  }
}

/** Kills a child of the test as `kill -9` does. */
export async function kill(child: import('node:child_process').ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
