/**
 * Connections to the database. Each begins with the settings that all statements of the store rely on, whatever the
 * defaults of the server, of the user or of the URL are.
 */
import type { Client, ClientBase, ClientConfig, QueryResult } from 'pg'
import { StatementPool } from './statement-pool.ts'
import { timings } from './timings.ts'

/** The type `bigint`: all of them here are times, numbers of rows and counts, and fit into a number. */
const BIGINT = 20

export interface ConnectionOptions {
  url: string
  /** The schema of the tables. */
  schema: string
  /** Connections for statements; the beat has one more. */
  connections: number
  /** Shown by the database beside each connection. */
  applicationName: string
}

/** The process of the server that serves a connection. */
export interface Backend {
  pid: number
  /** Identifies one start of one server, with which its processes end. */
  server: string
}

export interface Connections {
  /** @param tries see {@link StatementPool} */
  pool: (tries: boolean) => StatementPool
  /** One connection, which is open. */
  connect: () => Promise<Client>
  /** `undefined` until the connection has its settings. */
  backendOf: (client: ClientBase) => Backend | undefined
}

/**
 * A plan that was prepared while a table was empty is kept by its connection, and would read the whole table later: so
 * plans that read a whole table are not to be chosen while there is an index, and every plan is made once.
 */
const SETTINGS = (schema: string) => `
  SET search_path = ${schema};
  SET synchronous_commit = on;
  SET statement_timeout = ${timings.statementWithinMs};
  SET lock_timeout = ${timings.lockWithinMs};
  SET idle_in_transaction_session_timeout = ${timings.answerWithinMs};
  SET plan_cache_mode = force_generic_plan;
  SET enable_seqscan = off;
  SET enable_hashjoin = off;
  SET enable_mergejoin = off;
  SET jit = off;
  SET TIME ZONE 'UTC';
  SELECT pg_backend_pid() AS pid, pg_postmaster_start_time()::text AS server`

/** Loads the driver: a server without a database does not have it in memory. */
export async function connectionsTo(options: ConnectionOptions): Promise<Connections> {
  const { default: pg } = await import('pg').catch((error: unknown) => {
    throw new Error('a database needs the package pg: npm install pg', { cause: error })
  })
  const config: ClientConfig = {
    connectionString: options.url,
    application_name: options.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 1_000,
    connectionTimeoutMillis: timings.connectionWithinMs,
    query_timeout: timings.answerWithinMs,
    types: {
      getTypeParser: ((oid: number, format: 'text') =>
        oid === BIGINT ? Number : (pg.types.getTypeParser(oid, format) as unknown)) as typeof pg.types.getTypeParser,
    },
  }
  const backends = new WeakMap<ClientBase, Backend>()
  const settings = { text: SETTINGS(options.schema), query_timeout: timings.beatWithinMs }
  const prepare = async (client: ClientBase) => {
    // The statement that waits for its answer is told. Without a listener, the error would end the process beside that.
    client.on('error', () => {})
    const answers = (await client.query(settings)) as unknown as QueryResult<Backend>[]
    const backend = answers.at(-1)?.rows[0]
    if (backend !== undefined) backends.set(client, backend)
  }
  return {
    backendOf: (client) => backends.get(client),
    pool: (tries) => {
      // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it; its types do not say so
      const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0, onConnect: prepare })
      return new StatementPool(pool, options.connections, tries)
    },
    connect: async () => {
      const client = new pg.Client({ ...config, connectionTimeoutMillis: timings.beatWithinMs })
      client.on('error', () => {})
      try {
        await client.connect()
        await prepare(client)
      } catch (error) {
        void client.end().catch(() => {})
        throw error
      }
      return client
    },
  }
}
