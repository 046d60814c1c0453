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

/** Columns with an index, by which the rows are read, and a place before all rows. */
export interface Order {
  by: readonly string[]
  start: Key
}

export interface Table {
  /** What a row is, for people. */
  title: string
  journal: string
  database: string
  columns: readonly Column[]
  /** Each side has an order of its own. */
  order: { journal: Order; database: Order }
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

const onBothSides = (order: Order) => ({ journal: order, database: order })
export const BY_NUMBER = onBothSides({ by: ['seq'], start: [0] })

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
    'schedule',
  ),
  order: BY_NUMBER,
  large: ['history', 'payload', 'result', 'error'],
}

/** What failed attempts have logged last. */
export const ATTEMPT_LOGS: Table = {
  title: 'attempt log',
  journal: 'attemptLogs',
  database: 'attempt_logs',
  columns: columns('jobId: uuid', 'attempt: int', 'log'),
  order: {
    journal: { by: ['seq', 'attempt'], start: [0, 0] },
    database: { by: ['job_id', 'attempt'], start: ['00000000-0000-0000-0000-000000000000', 0] },
  },
  large: ['log'],
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
    'source',
    'payload',
    'createdAt: bigint',
    'lastTickAt: bigint',
  ),
  order: onBothSides({ by: ['service', 'name'], start: ['', ''] }),
  large: ['payload'],
}

const IDEMPOTENCY_KEYS: Table = {
  title: 'idempotency key',
  journal: 'idempotencyKeys',
  database: 'idempotency_keys',
  columns: columns('scope', 'fingerprint', 'jobId: uuid', 'expiresAt: bigint'),
  order: onBothSides({ by: ['scope'], start: [''] }),
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
  order: BY_NUMBER,
  large: [],
}

/** A row comes after those that it names. */
export const TABLES: readonly Table[] = [JOBS, ATTEMPT_LOGS, SCHEDULES, IDEMPOTENCY_KEYS, AUDIT]

/** Tables of a side whose rows are made from those above, or hold for one server or one database only. */
export const NOT_COPIED = {
  journal: ['payloads', 'failures', 'failuresToKey'],
  database: ['changes', 'migrations', 'nodes', 'registrations'],
} as const
