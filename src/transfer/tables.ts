/**
 * The tables that are copied, and their columns in the journal and in the database. A row in between has the names and the
 * values of the journal: numbers, texts and NULL. Registrations are no table in a folder, and are not in this list.
 */
export type Row = Record<string, string | number | null>
/** The place of a row in the order in which rows are copied. */
export type Key = (string | number)[]

export interface Column {
  /** In a row. */
  name: string
  /** In the database. */
  column: string
  type: 'bigint' | 'int' | 'smallint' | 'text' | 'uuid'
}

export interface Table {
  /** What a row is, for people. */
  title: string
  journal: string
  database: string
  columns: readonly Column[]
  /** Names of the columns that order the rows. */
  key: readonly string[]
  /** A place before all rows. */
  start: Key
  /** Columns whose texts may be large. */
  large: readonly string[]
}

/** @param texts `name` or `name: type`; a text without a type */
const columns = (...texts: string[]): Column[] =>
  texts.map((text) => {
    const [name = '', type = 'text'] = text.split(': ')
    const column = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return { name, column, type: type as Column['type'] }
  })

export const JOBS: Table = {
  title: 'job',
  journal: 'jobs',
  database: 'jobs',
  columns: columns(
    'seq: bigint',
    'id: uuid',
    'service',
    'method',
    'state',
    'attempts: int',
    'attemptsBefore: int',
    'maxAttempts: int',
    'priority: smallint',
    'createdAt: bigint',
    'startedAt: bigint',
    'begunAt: bigint',
    'finishedAt: bigint',
    'notBefore: bigint',
    'expiresAt: bigint',
    'history',
    'payload',
    'result',
    'error',
    'errorKey',
    'traceparent',
  ),
  key: ['seq'],
  start: [0],
  large: ['history', 'payload', 'result', 'error'],
}

const SCHEDULES: Table = {
  title: 'schedule',
  journal: 'schedules',
  database: 'schedules',
  columns: columns(
    'service',
    'name',
    'cron',
    'timezone',
    'method',
    'payload',
    'createdAt: bigint',
    'lastTickAt: bigint',
  ),
  key: ['service', 'name'],
  start: ['', ''],
  large: ['payload'],
}

const IDEMPOTENCY_KEYS: Table = {
  title: 'idempotency key',
  journal: 'idempotencyKeys',
  database: 'idempotency_keys',
  columns: columns('scope', 'fingerprint', 'jobId: uuid', 'expiresAt: bigint'),
  key: ['scope'],
  start: [''],
  large: [],
}

const AUDIT: Table = {
  title: 'audit row',
  journal: 'audit',
  database: 'audit',
  columns: columns(
    'seq: bigint',
    'at: bigint',
    'token',
    'via',
    'address',
    'action',
    'service',
    'target',
    'outcome',
    'code',
    'requestId',
  ),
  key: ['seq'],
  start: [0],
  large: [],
}

export const TABLES: readonly Table[] = [JOBS, SCHEDULES, IDEMPOTENCY_KEYS, AUDIT]

/** Tables of a side whose rows are made from those above, or hold for one server or one database only. */
export const NOT_COPIED = {
  journal: ['payloads', 'failures', 'failuresToKey'],
  database: ['changes', 'migrations', 'nodes', 'registrations'],
} as const
