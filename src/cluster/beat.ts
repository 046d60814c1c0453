/**
 * The beat of a node: one statement a second, which renews its lease, tells the other nodes its load, and asks for all that
 * a hint may have missed. What a node tells is a text that only nodes read.
 *
 * Of the other nodes a beat answers only when each has beaten, and whose rows may have changed since an earlier beat: those
 * alone are read. A trigger notes in `told_by` the transaction that has changed a row. A transaction that an answer does not
 * show yet is at least as new as the oldest one that was under way then (`readUpTo`), so the next beat asks from there on.
 */
import type { ServiceState } from '../contract/states.ts'
import type { Peer, ServiceLoad } from './cluster.ts'
import { statement } from './statement.ts'
import { NOW } from './store-clock.ts'

/** Ids of nodes that jobs run on: read from one to the next in an index, so that no job is read between them. */
const RUNNING = `running (node) AS ((SELECT node FROM jobs WHERE state = 'running' AND node IS NOT NULL ORDER BY node LIMIT 1)
  UNION ALL SELECT (SELECT node FROM jobs WHERE state = 'running' AND jobs.node > running.node ORDER BY node LIMIT 1)
    FROM running WHERE running.node IS NOT NULL)`

const LIST = (of: string, from: string) => `(SELECT coalesce(json_agg(${of}), '[]') FROM ${from})`

const ISO = (time: string) => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const beat = (name: string, tells: string) =>
  statement(
    name,
    `WITH RECURSIVE beat AS (UPDATE nodes SET seen_at = clock_timestamp()${tells} WHERE id = $1::uuid RETURNING told_by),
    ${RUNNING}
    SELECT (SELECT told_by::text FROM beat) AS "toldBy", ${NOW} AS now,
      (SELECT revision FROM changes WHERE kind = 'registrations') AS registrations,
      (SELECT revision FROM changes WHERE kind = 'schedules') AS schedules,
      others.seen, others.changed, pg_snapshot_xmin(pg_current_snapshot())::text AS "readUpTo",
      EXISTS (SELECT 1 FROM running WHERE node IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = running.node)) AS "hasLost",
      ${LIST('id', `jobs WHERE node = $1::uuid AND state = 'running' AND cancel`)} AS cancel,
      ${LIST(
        'service',
        `unnest($2::text[]) service WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.service = service.service AND state = 'queued')
          OR EXISTS (SELECT 1 FROM jobs WHERE jobs.service = service.service AND state = 'scheduled' AND not_before <= ${NOW})`,
      )} AS work,
      ${LIST('id', 'jobs WHERE id = ANY($3::uuid[]) AND finished_at IS NOT NULL')} AS finished
    FROM (SELECT coalesce(json_object_agg(id, floor(date_part('epoch', seen_at) * 1000)::bigint), '{}') AS seen,
      coalesce(json_agg(id) FILTER (WHERE told_by >= $4::xid8), '[]') AS changed
      FROM nodes WHERE id <> $1::uuid) others`,
  )

/** Leaves what was told as it is. */
export const BEAT = beat('beat', '')
export const BEAT_AND_TELL = beat('beatAndTell', ', load = $5')

/** After an outage it comes before the first beat, whose plan takes a new connection several times as long. */
export const RENEW = statement(
  'renew',
  `UPDATE nodes SET seen_at = clock_timestamp() WHERE id = $1 RETURNING ${NOW} AS now`,
)

/** What other nodes tell. */
export const READ_OTHERS = statement(
  'readOthers',
  `SELECT id::text AS id, name, url, token, version, ${ISO('started_at')} AS "startedAt", load AS told
    FROM nodes WHERE id = ANY($1::uuid[])`,
)

/** The row that lets a node begin attempts. */
export const JOIN = statement(
  'join',
  `INSERT INTO nodes (id, name, url, token, version, load) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), load = EXCLUDED.load
    RETURNING told_by::text AS "toldBy"`,
)

export const LEAVE = statement('leave', 'DELETE FROM nodes WHERE id = $1')

export interface BeatRow {
  /** The transaction that has last changed what the row of this node tells; null: the row is not there (any more). */
  toldBy: string | null
  now: number
  /** Another number after each change of a registration, or of a schedule. */
  registrations: number
  schedules: number
  /** When each other node has last beaten, by its id: milliseconds since the epoch. */
  seen: Record<string, number>
  /** Ids of other nodes that may have told something new since the transaction that was asked for. */
  changed: string[]
  /** The oldest transaction that this answer may not show. */
  readUpTo: string
  /** Are there attempts of nodes without a row? */
  hasLost: boolean
  /** Jobs that run here and are to be cancelled. */
  cancel: string[]
  /** Services, of those that were asked for, whose jobs could begin. */
  work: string[]
  /** Jobs, of those that were asked for, that have ended. */
  finished: string[]
}

export interface OtherRow extends Pick<Peer, 'id' | 'name' | 'url' | 'token'> {
  version: string
  startedAt: string
  told: string
}

/** What a node tells of itself. */
export interface Told {
  labels: Readonly<Record<string, string>>
  /** It stops: services that are placed on it move to others. */
  isLeaving: boolean
  load: ReadonlyMap<string, ServiceLoad>
  modules: ReadonlyMap<string, string>
}

type ServiceText = [
  state: ServiceState,
  threads: number,
  concurrency: number,
  running: number,
  waiting: number,
  room: number,
  module: string | null,
]

export function textOf({ labels, isLeaving, load, modules }: Told): string {
  const services = [...load].map(([name, { state, threads, concurrency, running, waiting, room }]) => {
    const text: ServiceText = [state, threads, concurrency, running, waiting, room, modules.get(name) ?? null]
    return [name, text]
  })
  return JSON.stringify({ labels, isLeaving, services })
}

/** A node of another version may tell less. */
export function readTold(text: string): Told {
  const {
    labels = {},
    isLeaving = false,
    services = [],
  } = JSON.parse(text) as Partial<Told> & {
    services?: [name: string, text: ServiceText][]
  }
  const load = new Map<string, ServiceLoad>()
  const modules = new Map<string, string>()
  for (const [name, [state, threads, concurrency, running, waiting, room, module]] of services) {
    load.set(name, { state, threads, concurrency, running, waiting, room })
    if (module !== null) modules.set(name, module)
  }
  return { labels, isLeaving, load, modules }
}
