/** The tables of a PostgreSQL database that several servers share, locked against every writer while they are copied. */
import type { Client, QueryResultRow } from 'pg'
import { connectionsTo } from '../cluster/connections.ts'
import { notOpened } from '../cluster/database.ts'
import { migrate } from '../cluster/migrate.ts'
import { endLostAttempts, forgetNodes } from '../cluster/recovery.ts'
import type { Run } from '../cluster/statement.ts'
import type { Place, RegistrationTexts, Side } from './side.ts'
import { BY_NUMBER, type Key, type Row, type Table, TABLES } from './tables.ts'

/** One statement may take so long: a page of rows, or the deletion of all. */
const STATEMENT_WITHIN_MS = 60_000
/** The other side may take so long between two statements. */
const IDLE_WITHIN_MS = 600_000

/** In a row the history is one JSON array; in the database it is an array of JSON texts. */
const READ_HISTORY = `'[' || array_to_string(history, ',') || ']'`
const WRITE_HISTORY = `ARRAY(SELECT attempt.value::text
  FROM json_array_elements(given.history::json) WITH ORDINALITY AS attempt (value, place) ORDER BY place)`

export interface DatabaseSideOptions {
  url: string
  schema: string
  /** A node that has not shown for so long that it is alive has gone. */
  leaseMs: number
}

export class DatabaseSide implements Side {
  readonly name: string
  readonly #client: Client
  readonly #schema: string

  private constructor(client: Client, schema: string) {
    this.name = `the database (schema ${schema})`
    this.#client = client
    this.#schema = schema
  }

  /** @throws if a server uses the database, or it cannot be used */
  static async open({ url, schema, leaseMs }: DatabaseSideOptions, role: 'source' | 'target'): Promise<DatabaseSide> {
    const connections = await connectionsTo({ url, schema, connections: 1, applicationName: 'threadplane migrate' })
    const client = await connections.connect().catch((error: unknown) => {
      throw notOpened(error)
    })
    const side = new DatabaseSide(client, schema)
    try {
      await migrate(client, schema).catch((error: unknown) => {
        throw notOpened(error)
      })
      await side.#query(`BEGIN; SET LOCAL statement_timeout = ${STATEMENT_WITHIN_MS};
        SET LOCAL idle_in_transaction_session_timeout = ${IDLE_WITHIN_MS}`)
      await side.#refuseIfUsed(leaseMs)
      await side.#lock()
      // A server may have started in between. Later ones wait for the lock, and end.
      await side.#refuseIfUsed(leaseMs)
      if (role === 'source') {
        await forgetNodes(side.#run, leaseMs)
        await endLostAttempts(side.#run)
      }
      return side
    } catch (error) {
      await side.close()
      throw error
    }
  }

  async #refuseIfUsed(leaseMs: number): Promise<void> {
    const alive = 'SELECT name FROM nodes WHERE seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY name'
    const [node] = await this.#query<{ name: string }>(alive, [leaseMs / 1_000])
    if (node === undefined) return
    throw new Error(
      `the node ${node.name} uses ${this.name}: stop all nodes first. A node that was killed counts as gone after ` +
        `${leaseMs / 1_000} s`,
    )
  }

  /** Readers go on. A server that starts waits for the first lock. */
  async #lock(): Promise<void> {
    await this.#query(`SELECT pg_advisory_xact_lock(hashtextextended('threadplane ' || $1, 0))`, [this.#schema])
    const tables = ['nodes', 'registrations', ...TABLES.map(({ database }) => database)]
    await this.#query(`LOCK TABLE ${tables.join(', ')} IN EXCLUSIVE MODE`)
  }

  async #query<Found extends QueryResultRow>(text: string, values?: unknown[]): Promise<Found[]> {
    const query = { text, query_timeout: STATEMENT_WITHIN_MS + 1_000, ...(values !== undefined && { values }) }
    return (await this.#client.query<Found>(query)).rows
  }

  readonly #run: Run = async <Found>({ text }: { text: string }, values: unknown[]) => {
    const { rows, rowCount } = await this.#client.query(text, values)
    return { rows: rows as Found[], count: rowCount ?? 0 }
  }

  async places(table: Table, after: Key | undefined, limit: number): Promise<Place[]> {
    const { by, start } = table.order.database
    const order = by.join(', ')
    const bytes = table.columns
      .filter(({ name }) => table.large.includes(name))
      .map(({ name, column }) => `coalesce(octet_length(${name === 'history' ? READ_HISTORY : column}), 0)`)
    const text = `SELECT ${order}, ${['0', ...bytes].join(' + ')} AS bytes FROM ${table.database}
      WHERE (${order}) > (${marks(1, by.length)}) ORDER BY ${order} LIMIT $${by.length + 1}`
    const rows = await this.#query<Record<string, string | number>>(text, [...(after ?? start), limit])
    return rows.map((row) => ({ key: by.map((column) => row[column] ?? ''), bytes: Number(row.bytes) }))
  }

  async rows(table: Table, after: Key | undefined, upTo: Key): Promise<Row[]> {
    const { by, start } = table.order.database
    const order = by.join(', ')
    const read = table.columns.map(({ name, column, type }) => {
      if (name === 'history') return `${READ_HISTORY} AS history`
      return `${column}${type === 'uuid' ? '::text' : ''} AS "${name}"`
    })
    const text = `SELECT ${read.join(', ')} FROM ${table.database} WHERE (${order}) > (${marks(1, by.length)})
      AND (${order}) <= (${marks(by.length + 1, by.length)}) ORDER BY ${order}`
    return await this.#query<Row>(text, [...(after ?? start), ...upTo])
  }

  async count({ database }: Table): Promise<number> {
    const [row] = await this.#query<{ count: number }>(`SELECT count(*) AS count FROM ${database}`)
    return row?.count ?? 0
  }

  async registrations(): Promise<RegistrationTexts> {
    const rows = await this.#query<{ name: string; registration: string }>(
      'SELECT name, registration FROM registrations ORDER BY name',
    )
    return new Map(rows.map(({ name, registration }) => [name, JSON.stringify(JSON.parse(registration))]))
  }

  async clear(): Promise<void> {
    await this.#query(`TRUNCATE ${TABLES.map(({ database }) => database).join(', ')}`)
  }

  async add({ database, columns }: Table, rows: Row[]): Promise<void> {
    const names = columns.map(({ column }) => column)
    const written = columns.map(({ name, column }) => (name === 'history' ? WRITE_HISTORY : `given.${column}`))
    const arrays = columns.map(({ type }, index) => `$${index + 1}::${type}[]`)
    const text = `INSERT INTO ${database} (${names.join(', ')}) OVERRIDING SYSTEM VALUE SELECT ${written.join(', ')}
      FROM unnest(${arrays.join(', ')}) AS given (${names.join(', ')})`
    await this.#query(
      text,
      columns.map(({ name }) => rows.map((row) => row[name] ?? null)),
    )
  }

  async setRegistrations(registrations: RegistrationTexts): Promise<void> {
    await this.#query('DELETE FROM registrations')
    await this.#query(
      `INSERT INTO registrations (name, revision, registration)
        SELECT name, nextval('revisions'), registration FROM unnest($1::text[], $2::text[]) AS given (name, registration)`,
      [[...registrations.keys()], [...registrations.values()]],
    )
  }

  async commit(): Promise<void> {
    // New rows come after those that were copied, and servers that know the tables read them again.
    for (const { database, order } of TABLES) {
      if (order !== BY_NUMBER) continue
      await this.#query(`SELECT setval(pg_get_serial_sequence('${database}', 'seq'), max(seq)) FROM ${database}
        HAVING max(seq) IS NOT NULL`)
    }
    await this.#query(`UPDATE changes SET revision = nextval('revisions')`)
    await this.#query('COMMIT')
  }

  async close(): Promise<void> {
    await this.#query('ROLLBACK').catch(() => {})
    await this.#client.end().catch(() => {})
  }
}

function marks(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `$${first + index}`).join(', ')
}
