/** Puts jobs into the journal of a server that has ended: far faster than casting and running them. */
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { MAX_FINISHED_JOBS } from '../../src/jobs/store-limits.ts'

/** One of so many finished jobs has failed, with one of `ERRORS` errors. */
const FAILED_EVERY = 100
const ERRORS = 20
/** Jobs that one transaction inserts. */
const STEP = 1_000_000
const YEAR_MS = 365 * 24 * 3_600_000

const ERROR = `json_object('code', 'METHOD_FAILED', 'message', 'the method threw', 'cause',
  json_object('name', 'Error', 'message', 'error of kind ' || char(65 + n / ${FAILED_EVERY} % ${ERRORS})))`

/**
 * Jobs of `adder.add` that have finished. Beyond `MAX_FINISHED_JOBS`, which the server would forget, jobs that wait for
 * their time, a year from now.
 */
export function fillJournal(data: string, count: number): void {
  const database = new DatabaseSync(join(data, 'jobs.sqlite'))
  const now = Date.now()
  // No file that is needed after a crash of the machine.
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144')
  for (let from = 0; from < count; from += STEP) {
    const to = Math.min(from + STEP, count)
    database.exec(`
      BEGIN;
      CREATE TEMP TABLE added AS
        WITH RECURSIVE n (n) AS (SELECT ${from + 1} UNION ALL SELECT n + 1 FROM n WHERE n < ${to})
        SELECT n, CASE WHEN n > ${MAX_FINISHED_JOBS} THEN 'scheduled' WHEN n % ${FAILED_EVERY} = 0 THEN 'failed'
          ELSE 'succeeded' END AS state, ${now} - ${count} + n AS at FROM n;
      INSERT INTO jobs (seq, id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, begunAt,
          finishedAt, notBefore, result, error)
        SELECT n, printf('019ab400-0000-7000-8000-%012x', n), 'adder', 'add', state, iif(state = 'scheduled', 0, 1), 3, 5,
          at, iif(state = 'scheduled', NULL, at), iif(state = 'scheduled', NULL, at), iif(state = 'scheduled', NULL, at),
          iif(state = 'scheduled', ${now} + ${YEAR_MS}, NULL), iif(state = 'succeeded', '{"sum":5}', NULL),
          iif(state = 'failed', ${ERROR}, NULL) FROM added;
      INSERT INTO payloads SELECT n, '{"a":2,"b":3}' FROM added;
      INSERT INTO failures (seq, service, method, errorKey, failedAt)
        SELECT n, 'adder', 'add', printf('%016x', n / ${FAILED_EVERY} % ${ERRORS}), at FROM added WHERE state = 'failed';
      DROP TABLE added;
      COMMIT;`)
  }
  database.close()
}
