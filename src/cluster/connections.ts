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

export interface Connections {
  pool: () => StatementPool
  /** One connection, which is open. */
  connect: () => Promise<Client>
  /** Another text for each start of a server: a connection ends with the one that it is to. */
  serverOf: (client: ClientBase) => string
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
  SELECT pg_postmaster_start_time()::text AS server`

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
  const servers = new WeakMap<ClientBase, string>()
  const prepare = async (client: ClientBase) => {
    // The statement that waits for its answer is told. Without a listener, the error would end the process beside that.
    client.on('error', () => {})
    const answers = (await client.query(SETTINGS(options.schema))) as unknown as QueryResult<{ server: string }>[]
    servers.set(client, answers.at(-1)?.rows[0]?.server ?? '')
  }
  return {
    serverOf: (client) => servers.get(client) ?? '',
    pool: () => {
      // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it; its types do not say so
      const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0, onConnect: prepare })
      return new StatementPool(pool, options.connections)
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
