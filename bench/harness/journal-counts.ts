/** Counts the jobs of a journal in its file, after the server has ended. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'

/** Jobs by state. */
export function journalCounts(data: string): Record<string, number> {
  const database = new DatabaseSync(join(data, 'jobs.sqlite'))
  try {
    const rows = database.prepare('SELECT state, count(*) AS jobs FROM jobs GROUP BY state').all()
    return Object.fromEntries((rows as { state: string; jobs: number }[]).map(({ state, jobs }) => [state, jobs]))
  } finally {
    database.close()
  }
}
