/**
 * The beat of a node: one statement a second, which renews its lease, tells the other nodes its load, and asks for all that
 * a hint may have missed. What a node tells is a text that only nodes read.
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

export const BEAT = statement(
  'beat',
  `WITH RECURSIVE beat AS (UPDATE nodes SET seen_at = clock_timestamp(), url = $2, load = $3 WHERE id = $1::uuid RETURNING id),
    ${RUNNING}
    SELECT EXISTS (SELECT 1 FROM beat) AS "isMember", ${NOW} AS now,
      (SELECT revision FROM changes WHERE kind = 'registrations') AS registrations,
      (SELECT revision FROM changes WHERE kind = 'schedules') AS schedules,
      ${LIST(
        `json_build_object('id', id, 'name', name, 'url', url, 'token', token, 'version', version, 'told', load,
          'startedAt', to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'isAlive', seen_at > clock_timestamp() - make_interval(secs => $4))`,
        'nodes WHERE id <> $1::uuid',
      )} AS others,
      EXISTS (SELECT 1 FROM running WHERE node IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = running.node)) AS "hasLost",
      ${LIST('id', `jobs WHERE node = $1::uuid AND state = 'running' AND cancel`)} AS cancel,
      ${LIST(
        'service',
        `unnest($5::text[]) service WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.service = service.service AND state = 'queued')
          OR EXISTS (SELECT 1 FROM jobs WHERE jobs.service = service.service AND state = 'scheduled' AND not_before <= ${NOW})`,
      )} AS work,
      ${LIST('id', 'jobs WHERE id = ANY($6::uuid[]) AND finished_at IS NOT NULL')} AS finished`,
)

/** The row that lets a node begin attempts. */
export const JOIN = statement(
  'join',
  `INSERT INTO nodes (id, name, url, token, version, load) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()`,
)

export const LEAVE = statement('leave', 'DELETE FROM nodes WHERE id = $1')

export interface BeatRow {
  /** False: the row of this node is not there (any more). */
  isMember: boolean
  now: number
  /** Another number after each change of a registration, or of a schedule. */
  registrations: number
  schedules: number
  others: OtherRow[]
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
  isAlive: boolean
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
