/**
 * Stores new jobs, with their idempotency keys and ticks: one statement for a group. Repeated after a lost answer it finds
 * its own jobs by their ids. An attempt begins with it only while the node's row exists.
 */
import { hasCode, ThreadplaneError } from '../contract/errors.ts'
import type { JobState } from '../contract/states.ts'
import { jobNotFound, newJobRecord } from '../jobs/job.ts'
import type { Accepted, AcceptRequest } from '../jobs/job-store.ts'
import { Batch } from './batch.ts'
import type { Database } from './database.ts'
import { AnswerLost } from './database-errors.ts'
import { readJob } from './job-row.ts'
import type { OwnAttempts } from './own-attempts.ts'
import { type Run, statement } from './statement.ts'
import type { StoreMeter } from './store-meter.ts'
import { NOW, type StoreClock } from './store-clock.ts'
import { timings } from './timings.ts'

/** Groups that are accepted at the same time. */
const LANES = 2

const COLUMNS = `id, service, method, payload, max_attempts, priority, created_at, not_before, expires_at, traceparent,
  schedule`
const GIVEN = `unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::smallint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::boolean[]`

const INSERT = (from: string) => `INSERT INTO jobs (${COLUMNS}, state, attempts, started_at, begun_at, node,
    node_name)
  SELECT i.id, i.service, i.method, i.payload, i.max_attempts, i.priority, i.created_at, i.not_before, i.expires_at,
      i.traceparent, i.schedule, CASE WHEN begins THEN 'running' WHEN i.not_before > now THEN 'scheduled' ELSE 'queued' END,
      begins::int, CASE WHEN begins THEN now END, CASE WHEN begins THEN now END, CASE WHEN begins THEN $13::uuid END,
      CASE WHEN begins THEN present.name END
    FROM ${from}, LATERAL (SELECT ${NOW} AS now, (SELECT name FROM nodes WHERE nodes.id = $13::uuid) AS name) present,
      LATERAL (SELECT i.begin AND present.name IS NOT NULL AS begins) decided
    ORDER BY ord ON CONFLICT (id) DO NOTHING RETURNING id::text AS id, state, begun_at AS "begunAt", node_name AS "node"`

const ACCEPT = statement('accept', INSERT(`${GIVEN}) WITH ORDINALITY AS i (${COLUMNS}, begin, ord)`))

/** Only of a key that is free, and of a tick that no node has cast. All nodes lock keys in the same order. */
const ACCEPT_GUARDED = statement(
  'acceptGuarded',
  `WITH given AS MATERIALIZED (SELECT * FROM ${GIVEN}, $14::text[], $15::text[], $16::bigint[], $17::text[], $18::bigint[])
      WITH ORDINALITY AS i (${COLUMNS}, begin, scope, fingerprint, key_expires_at, tick, tick_at, ord)),
    keys AS (INSERT INTO idempotency_keys AS known (scope, fingerprint, job_id, expires_at)
      SELECT DISTINCT ON (scope) scope, fingerprint, id, key_expires_at FROM given WHERE scope IS NOT NULL ORDER BY scope, ord
      ON CONFLICT (scope) DO UPDATE SET fingerprint = excluded.fingerprint, job_id = excluded.job_id,
        expires_at = excluded.expires_at
      WHERE known.expires_at <= ${NOW} RETURNING job_id),
    ticks AS (UPDATE schedules SET last_tick_at = given.tick_at, last_job_id = given.id FROM given
      WHERE schedules.service = given.service AND schedules.name = given.tick
        AND coalesce(schedules.last_tick_at, schedules.created_at) < given.tick_at RETURNING given.id),
    free AS (SELECT * FROM given WHERE CASE WHEN scope IS NULL THEN true ELSE id IN (SELECT job_id FROM keys) END
      AND CASE WHEN tick IS NULL THEN true ELSE id IN (SELECT id FROM ticks) END)
    ${INSERT('free i')}`,
)

const ACCEPTED_BEFORE = statement(
  'acceptedBefore',
  `SELECT id::text AS id, CASE WHEN node = $2::uuid AND attempts = 1 AND state = 'running' THEN 'running'
      WHEN not_before > ${NOW} THEN 'scheduled' ELSE 'queued' END AS state,
    CASE WHEN node = $2::uuid AND attempts = 1 AND state = 'running' THEN begun_at END AS "begunAt",
    node_name AS "node" FROM jobs WHERE id = ANY($1::uuid[])`,
)

const KEY = statement(
  'key',
  `SELECT fingerprint, job_id::text AS "jobId", expires_at AS "expiresAt" FROM idempotency_keys
    WHERE scope = $1 AND expires_at > ${NOW}`,
)

const TICKED = statement(
  'ticked',
  'SELECT last_job_id::text AS "jobId" FROM schedules WHERE service = $1 AND name = $2',
)

interface Inserted {
  id: string
  state: JobState
  begunAt: number | null
  node: string | null
}

export class JobAcceptance {
  readonly #database: Database
  readonly #node: string
  readonly #clock: StoreClock
  readonly #own: OwnAttempts
  readonly #batch: Batch<AcceptRequest[], Accepted[]>

  constructor(database: Database, node: string, clock: StoreClock, own: OwnAttempts, meter: StoreMeter) {
    this.#database = database
    this.#node = node
    this.#clock = clock
    this.#own = own
    this.#batch = new Batch({
      write: (group) => this.#write(group),
      lanes: LANES,
      items: (requests) => requests.length,
      meter,
      bytes: (requests) => requests.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0),
    })
  }

  accept(requests: AcceptRequest[]): Promise<Accepted[]> {
    return this.#batch.push(requests.map((request) => this.#byStoreClock(request)))
  }

  #byStoreClock(request: AcceptRequest): AcceptRequest {
    if (this.#clock.aheadMs === 0) return request
    const shifted = (at: number | null) => (at === null ? null : this.#clock.toStore(at))
    const { createdAt, notBefore, expiresAt, idempotency } = request
    return {
      ...request,
      createdAt: this.#clock.toStore(createdAt),
      notBefore: shifted(notBefore),
      expiresAt: shifted(expiresAt),
      idempotency: idempotency && { ...idempotency, expiresAt: this.#clock.toStore(idempotency.expiresAt) },
    }
  }

  async #write(group: AcceptRequest[][]): Promise<Accepted[][]> {
    const requests = group.flat()
    let accepted: Accepted[]
    try {
      accepted = await this.#insert(requests, false)
    } catch (error) {
      if (!(error instanceof AnswerLost)) throw error
      if (!(await this.#database.isBackWithin(timings.repeatWithinMs))) throw mayBeDone(error)
      accepted = await this.#insert(requests, true).catch((again: unknown) => {
        throw again instanceof ThreadplaneError ? mayBeDone(error) : again
      })
    }
    for (const answer of accepted)
      if (answer.kind === 'new' && answer.job.state === 'running') this.#own.began(answer.job.id, 1)
    let at = 0
    return group.map(({ length }) => accepted.slice(at, (at += length)))
  }

  /** @param repeated the answer to the same statement was lost: what is there already was stored by it */
  async #insert(requests: AcceptRequest[], repeated: boolean): Promise<Accepted[]> {
    const { run } = this.#database
    const inserted = new Map<string, Inserted>()
    const note = ({ rows }: { rows: Inserted[] }) => rows.forEach((row) => inserted.set(row.id, row))
    if (repeated) note(await run<Inserted>(ACCEPTED_BEFORE, [requests.map(({ id }) => id), this.#node]))
    const missing = requests.filter(({ id }) => !inserted.has(id))
    const isGuarded = missing.some(({ idempotency, tick }) => idempotency !== undefined || tick !== undefined)
    if (missing.length > 0)
      note(await run<Inserted>(isGuarded ? ACCEPT_GUARDED : ACCEPT, columnsOf(missing, this.#node, isGuarded)))
    const hasStored = inserted.size > 0
    const answers: Accepted[] = []
    for (const request of requests) {
      const row = inserted.get(request.id)
      // A second request with the same id is not the first one.
      inserted.delete(request.id)
      if (row === undefined) {
        const known = this.#known(run, request)
        answers.push(await (hasStored ? known.catch(othersAreStored) : known))
      } else {
        const job = newJobRecord(request, row.state, row.begunAt, row.node)
        answers.push({ kind: 'new', job, keyExpiresAt: request.idempotency?.expiresAt })
      }
    }
    return answers
  }

  /** Why a request was not stored. */
  async #known(run: Run, request: AcceptRequest): Promise<Accepted> {
    const { idempotency, tick } = request
    if (idempotency !== undefined) {
      const { rows } = await run<{ fingerprint: string; jobId: string; expiresAt: number }>(KEY, [idempotency.scope])
      const [key] = rows
      // It has expired at this moment.
      if (key === undefined) return (await this.#insert([request], false))[0] as Accepted
      if (key.fingerprint !== idempotency.fingerprint) return { kind: 'mismatch', jobId: key.jobId }
      return await this.#duplicate(run, key.jobId, key.expiresAt)
    }
    if (tick !== undefined) {
      const { rows } = await run<{ jobId: string | null }>(TICKED, [tick.service, tick.name])
      const jobId = rows[0]?.jobId
      if (jobId == null)
        throw new ThreadplaneError('SCHEDULE_NOT_FOUND', `${tick.service} has no schedule ${tick.name}`)
      return await this.#duplicate(run, jobId, tick.at)
    }
    throw new Error(`there is a job ${request.id} already`)
  }

  async #duplicate(run: Run, jobId: string, keyExpiresAt: number): Promise<Accepted> {
    const job = await readJob(run, jobId)
    if (job === undefined) throw jobNotFound(jobId)
    return { kind: 'duplicate', job, keyExpiresAt }
  }
}

/** Without this request: the whole group is to be repeated. */
function othersAreStored(error: unknown): never {
  throw hasCode(error, 'JOURNAL_UNAVAILABLE') ? new AnswerLost((error as Error).message, error) : (error as Error)
}

function mayBeDone({ message, cause }: AnswerLost): AnswerLost {
  const more = 'What was asked for may still be done: with an Idempotency-Key it is safe to ask again'
  return new AnswerLost(`${message}. ${more}`, cause)
}

function columnsOf(requests: AcceptRequest[], node: string, isGuarded: boolean): unknown[] {
  const column = <Value>(of: (request: AcceptRequest) => Value) => requests.map(of)
  return [
    column(({ id }) => id),
    column(({ service }) => service),
    column(({ method }) => method),
    column(({ payload }) => payload),
    column(({ maxAttempts }) => maxAttempts),
    column(({ priority }) => priority),
    column(({ createdAt }) => createdAt),
    column(({ notBefore }) => notBefore),
    column(({ expiresAt }) => expiresAt),
    column(({ traceparent }) => traceparent),
    column(({ schedule }) => schedule),
    column(({ begin }) => begin),
    node,
    ...(isGuarded
      ? [
          column(({ idempotency }) => idempotency?.scope ?? null),
          column(({ idempotency }) => idempotency?.fingerprint ?? null),
          column(({ idempotency }) => idempotency?.expiresAt ?? null),
          column(({ tick }) => tick?.name ?? null),
          column(({ tick }) => tick?.at ?? null),
        ]
      : []),
  ]
}
