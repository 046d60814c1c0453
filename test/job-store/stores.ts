/**
 * The tests of this folder run over every implementation of `JobStore`: what they assert is what the interface promises.
 * The journal runs in the thread of the test; PostgreSQL is a real server, with a schema for each test.
 */
import t, { type Test } from 'tap'
import type { AuditStore } from '../../src/contract/audit.ts'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { PgStore } from '../../src/cluster/pg-store.ts'
import type { CountedJob, CountedJobs, JobStore } from '../../src/jobs/job-store.ts'
import { noPostgres, Postgres } from '../cluster/postgres.ts'
import { DAY_MS, localJournal, log, reopened as reopenedJournal, type LocalJournal } from '../sqlite/jobs.ts'

/** Defaults: a day, and a million. */
export interface Limits {
  keepJobsMs?: number
  maxFinishedJobs?: number
}

export type TestStore = JobStore &
  AuditStore & {
    retain(): Promise<number> | number
    countJobs(after: CountedJob | undefined): Promise<CountedJobs>
  }

/** One implementation. Stores are closed when the test ends. */
export interface Stores {
  name: string
  skip: string | false
  /** What each attempt says of its node. */
  ofNode: { node?: string }
  open(t: Test, limits?: Limits): Promise<TestStore>
  /** The store after a restart of its server. */
  reopened(t: Test, store: TestStore, limits?: Limits): Promise<TestStore>
}

const sqlite: Stores = {
  name: 'SQLite',
  skip: false,
  ofNode: {},
  open: async (t, limits) => localJournal(t, limits),
  reopened: (t, store, limits) => reopenedJournal(t, store as LocalJournal, limits),
}

let server: Promise<Postgres> | undefined
const schemas = new WeakMap<TestStore, string>()

/** One server for all tests of a file. */
export function postgresOfFile(): Promise<Postgres> {
  return (server ??= Postgres.start(t))
}

/** @param schema of an earlier store; default: a new one */
export async function openPgStore(t: Test, limits: Limits = {}, schema?: string): Promise<PgStore> {
  const postgres = await postgresOfFile()
  const name = schema ?? postgres.schema()
  const store = await PgStore.open({
    url: postgres.url,
    schema: name,
    connections: 4,
    node: newIdentity({ name: 'test', url: '', labels: {} }),
    version: 'test',
    keepJobsMs: DAY_MS,
    log,
    ...limits,
  })
  schemas.set(store, name)
  t.teardown(() => store.close())
  return store
}

export function schemaOf(store: TestStore): string {
  return schemas.get(store) as string
}

const postgres: Stores = {
  name: 'PostgreSQL',
  skip: noPostgres,
  ofNode: { node: 'test' },
  open: (t, limits) => openPgStore(t, limits),
  reopened: async (t, store, limits) => {
    await store.close()
    return await openPgStore(t, limits, schemaOf(store))
  },
}

/** A test over each implementation. */
export function eachStore(title: string, run: (t: Test, stores: Stores) => Promise<void>): void {
  for (const stores of [sqlite, postgres]) {
    void t.test(`${title} (${stores.name})`, { skip: stores.skip }, (t) => run(t, stores))
  }
}
