/** What the tests of the journal share: jobs as the dispatcher makes them, and a log that says nothing. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Job } from '../../src/jobs/job.ts'
import type { Accepted, AcceptRequest } from '../../src/jobs/job-store.ts'
import { Journal, type JournalOptions } from '../../src/sqlite/journal.ts'
import { uuidv7 } from '../../src/contract/uuidv7.ts'

const silent = () => {}
export const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, fatal: silent }

export const DAY_MS = 24 * 60 * 60 * 1_000

export function openJournal(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({ folder, log, keepJobsMs: DAY_MS, ...options })
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
    begin: false,
    idempotency: undefined,
    tick: undefined,
    ...facts,
  }
}

export async function accept(journal: Journal, facts: Partial<AcceptRequest> = {}): Promise<Job> {
  const [accepted] = await journal.accept([request(facts)])
  return (accepted as Accepted & { kind: 'new' }).job
}

/** Ids of jobs in the order of `facts`, accepted in one transaction. */
export async function acceptAll(journal: Journal, facts: Partial<AcceptRequest>[]): Promise<string[]> {
  const requests = facts.map(request)
  await journal.accept(requests)
  return requests.map(({ id }) => id)
}

/** What `look` returns, as soon as it is something. */
export async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await sleep(10)
  }
}

/** Kills a child of the test as `kill -9` does. */
export async function kill(child: import('node:child_process').ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
