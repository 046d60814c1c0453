/**
 * Connections to the database. Each begins with the settings that all statements of the store rely on, whatever the
 * defaults of the server, of the user or of the URL are.
 */
import type { Client, ClientBase, ClientConfig, Pool } from 'pg'
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
  /**
   * A pool that opens connections one after another as they are needed: after an outage the first statements of all nodes
   * come together, and a database that has just started would be busy with thirty new connections instead of a few statements.
   */
  pool: () => Pool
  /** One connection, which is open. */
  connect: () => Promise<Client>
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
  SET TIME ZONE 'UTC'`

/** Opens a connection, unless one is idle or the pool may have no more. */
export function openOne(pool: Pool): void {
  pool.connect().then(
    (client) => client.release(),
    () => {},
  )
}

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
  const prepare = async (client: ClientBase) => {
    // The statement that waits for its answer is told. Without a listener, the error would end the process beside that.
    client.on('error', () => {})
    await client.query(SETTINGS(options.schema))
  }
  const openPool = () => {
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it; its types do not say so
    const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0, onConnect: opened })
    // An idle connection that is lost: the pool has dropped it, and the beat notices if there is more to it.
    pool.on('error', () => {})
    return pool

    async function opened(client: ClientBase): Promise<void> {
      await prepare(client)
      setTimeout(mayOpenNext, timings.openNextAfterMs).unref()
    }

    function mayOpenNext(): void {
      pool.options.max = Math.min((pool.options.max ?? 1) + 1, options.connections)
      // The pool opens one for the next statement, and not for those that wait already.
      if (pool.waitingCount > 0) openOne(pool)
    }
  }
  return {
    pool: openPool,
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
