/** Checks that jobs are stored, where they are stored. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import pg from 'pg'
import type { Contender } from './contender.ts'
import type { Load } from './load.ts'

/** Jobs by state. */
export type JobCounts = Record<string, number>

interface Row {
  state: string
  jobs: number
}

const QUERY = 'SELECT state, count(*) AS jobs FROM jobs GROUP BY state'

/** Counts the jobs of a journal in its file, after the server has ended. */
export function journalCounts(data: string): JobCounts {
  const database = new DatabaseSync(join(data, 'jobs.sqlite'))
  try {
    return byState(database.prepare(QUERY).all() as Row[])
  } finally {
    database.close()
  }
}

/** Counts the jobs of threadplane in a PostgreSQL. */
export async function databaseCounts(url: string): Promise<JobCounts> {
  const client = new pg.Client({ connectionString: url, options: '-c search_path=threadplane' })
  await client.connect()
  try {
    return byState((await client.query<Row>(QUERY)).rows)
  } finally {
    await client.end()
  }
}

/** PostgreSQL answers counts as text. */
function byState(rows: readonly Row[]): JobCounts {
  return Object.fromEntries(rows.map(({ state, jobs }) => [state, Number(jobs)]))
}

export function sum(counts: JobCounts): number {
  return Object.values(counts).reduce((total, jobs) => total + jobs, 0)
}

/** Checks that no fewer jobs are stored than were acknowledged. */
export function checkStored({ name, url }: Contender, loads: readonly Load[], stored: number): void {
  const acknowledged = loads.reduce((total, { answered }) => total + (answered.get(url) ?? 0), 0)
  console.log(`${name}: ${acknowledged} acknowledged, ${stored} stored`)
  if (stored >= acknowledged) return
  console.log(`${name} HAS LOST ${acknowledged - stored} JOBS`)
  process.exitCode = 1
}
