/** Brings the tables up to date. Nodes that start together do it one after another, under a lock of the database. */
import type { Client } from 'pg'
import { MIGRATIONS } from './schema.ts'

/** The name of a schema needs no quotes. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/

/** @throws if a newer version of threadplane has changed the tables */
export async function migrate(client: Client, schema: string): Promise<void> {
  if (!SCHEMA_NAME.test(schema)) throw new Error(`${JSON.stringify(schema)} cannot be the name of a schema`)
  await client.query('BEGIN')
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('threadplane ' || $1, 0))`, [schema])
    // A user who may not create schemas can use one that exists.
    const { rows } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])
    if (rows.length === 0) await client.query(`CREATE SCHEMA ${schema}`)
    await client.query(`SET LOCAL search_path = ${schema}`)
    const table = await client.query(`SELECT to_regclass('${schema}.migrations') AS found`)
    if ((table.rows[0] as { found: string | null }).found === null)
      await client.query('CREATE TABLE migrations (version int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())')
    const done = await client.query('SELECT count(*)::int AS count FROM migrations')
    const { count } = done.rows[0] as { count: number }
    if (count > MIGRATIONS.length) throw newer(schema, count)
    for (let version = count; version < MIGRATIONS.length; version += 1) {
      await client.query(MIGRATIONS[version] as string)
      await client.query('INSERT INTO migrations (version) VALUES ($1)', [version + 1])
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

function newer(schema: string, version: number): Error {
  return new Error(
    `the schema ${schema} of the database was written by a newer version of threadplane ` +
      `(schema ${version}; this one knows ${MIGRATIONS.length})`,
  )
}
