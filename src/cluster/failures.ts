/** Failed jobs by the key of their error. The key is in the row of the job, and an index has only jobs that are failed. */
import { faceOf } from '../jobs/error-key.ts'
import type { FailureGroup } from '../jobs/job-store.ts'
import { errorOf } from '../jobs/stored-job.ts'
import { type Run, statement } from './statement.ts'

const GROUPS = (where: string) => `SELECT grouped.*, newest.id::text AS "sampleJobId", newest.error FROM (
    SELECT service, method, error_key AS key, count(*) AS count, min(finished_at) AS "firstAt",
      max(finished_at) AS "lastAt"
    FROM jobs WHERE state = 'failed'${where} GROUP BY service, method, error_key
    ORDER BY "lastAt" DESC LIMIT $1) grouped,
  LATERAL (SELECT id, error FROM jobs WHERE jobs.service = grouped.service AND jobs.method = grouped.method
    AND jobs.state = 'failed' AND jobs.error_key = grouped.key AND jobs.finished_at = grouped."lastAt"
    ORDER BY seq DESC LIMIT 1) newest ORDER BY "lastAt" DESC`
const ALL_GROUPS = statement('failures', GROUPS(''))
const GROUPS_OF_SERVICE = statement('failuresOf', GROUPS(' AND service = $2'))

type Group = Omit<FailureGroup, 'code' | 'name' | 'message'> & { error: string | null }

/** The groups whose last failure is the newest. */
export async function failureGroups(run: Run, limit: number, service?: string): Promise<FailureGroup[]> {
  const { rows } =
    service === undefined
      ? await run<Group>(ALL_GROUPS, [limit])
      : await run<Group>(GROUPS_OF_SERVICE, [limit, service])
  return rows.map(({ error, ...group }) => ({ ...group, ...faceOf(errorOf(error ?? '')) }))
}
