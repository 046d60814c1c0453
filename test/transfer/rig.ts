/** What the tests of `threadplane migrate` share: a data folder with everything in it, all that a journal holds, the command. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import tap, { type Test } from 'tap'
import { DatabaseFile } from '../../src/sqlite/database-file.ts'
import { Postgres } from '../cluster/postgres.ts'
import { Process } from '../process-helper.ts'
import { accept, eventually, FAILED, key, LocalJournal, request, taken } from '../sqlite/jobs.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

/**
 * The tables of a journal that nobody uses, all rows as sorted texts. Of a copy: the binding keeps a file locked
 * until its statements are collected.
 */
export function contentOf(t: Test, folder: string): Record<string, string[]> {
  const copy = newFolder(t)
  cpSync(folder, copy, { recursive: true })
  const file = new DatabaseFile(join(copy, 'jobs.sqlite'))
  try {
    const tables = file.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
    const rowsOf = (name: string) => file.all(`SELECT * FROM ${name}`).map((row) => JSON.stringify(row))
    return Object.fromEntries(tables.map(({ name }) => [name, rowsOf(name).sort()]))
  } finally {
    file.close()
  }
}

/** Registrations: one that can be used, and two that cannot, which are kept as they are. */
const SERVICES = `{ "version": 1, "services": {
  "mail": { "module": "mail.js", "options": { "threads": 2 }, "desiredState": "stopped" },
  "later": { "module": "later.js", "options": { "ofALaterVersion": "ü" } },
  "__proto__": 7
} }`

/** A data folder with jobs in every state, and one of everything else. @param running leave an attempt under way */
export async function fullFolder(t: Test, { running = false } = {}): Promise<string> {
  const made = newFolder(t)
  const journal = new LocalJournal(join(made, 'jobs.sqlite'))
  const inState = async (more: Parameters<typeof request>[0] = {}) =>
    (await accept(journal, { begin: true, ...more })).id
  await journal.finish(await inState(), 1, { state: 'succeeded', result: '{"text":"\\u0000 ü 🙂 \\\\ \\"{,}"}' })
  const failing = await inState({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
  await journal.retry(failing, 1, { ...FAILED, message: 'a, "b" \u0000 {c}' }, new Date(), '{"msg":"ü \\u0000"}\n')
  await taken(journal)
  await journal.finish(failing, 2, { state: 'failed', error: FAILED, log: '{}\n' })
  const requeued = await inState()
  await journal.finish(requeued, 1, { state: 'failed', error: FAILED })
  await journal.requeue(requeued)
  await journal.cancel((await accept(journal)).id)
  await accept(journal, {
    payload: '"\\u0000 and \u{1f642}"',
    priority: 9,
    expiresAt: Date.now() + 3_600_000,
    ...key(),
  })
  await accept(journal, { notBefore: Date.now() + 3_600_000 })
  const schedule = {
    service: 'mail',
    name: 'daily',
    cron: '0 3 * * *',
    timezone: 'UTC',
    method: 'send',
    createdAt: 1,
    source: 'http' as const,
  }
  await journal.putSchedule({ ...schedule, payloadBytes: 3 }, '[1]')
  const ofTick = await inState({ schedule: 'daily', tick: { service: 'mail', name: 'daily', at: 7 } })
  await journal.withdraw(ofTick, 1, { state: 'cancelled', error: FAILED, begun: true })
  await journal.audit([
    {
      at: 1,
      token: 'admin',
      via: 'bearer',
      address: '127.0.0.1',
      action: 'PUT /v1/services/{service}',
      service: 'mail',
      target: null,
      outcome: 'ok',
      code: null,
      requestId: 'r',
    },
  ])
  if (running) await inState()
  await journal.close()
  const folder = newFolder(t)
  cpSync(made, folder, { recursive: true })
  writeFileSync(join(folder, 'services.json'), SERVICES)
  return folder
}

export function newFolder(t: Test): string {
  const folder = mkdtempSync(join(HERE, 'folder-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Ran {
  code: number | null
  output: string
}

function startMigrate(t: Test, args: string[], environment: NodeJS.ProcessEnv): Process {
  return new Process(t, mkdtempSync(join(HERE, 'migrate-')), ['migrate', ...args], environment)
}

export async function migrate(t: Test, to: string[], environment: NodeJS.ProcessEnv): Promise<Ran> {
  const command = startMigrate(t, ['--to', ...to], environment)
  const { code } = await command.ended()
  return { code, output: command.output }
}

type Environment = Awaited<ReturnType<typeof newDatabase>>['environment']

/** One for all tests of a file. */
let server: Promise<Postgres> | undefined

/** A schema that nobody has used, and the environment of the command. */
export async function newDatabase(folder: string) {
  const postgres = await (server ??= Postgres.start(tap))
  const schema = postgres.schema()
  const environment = {
    THREADPLANE_DATA: folder,
    THREADPLANE_DATABASE_URL: postgres.url,
    THREADPLANE_DATABASE_SCHEMA: schema,
    THREADPLANE_LEASE: '2s',
  }
  const query = <Row extends object>(text: string) => postgres.query<Row>(text.replaceAll('$schema', schema))
  return { postgres, schema, environment, query }
}

/** Starts the command and stops it in the database, before it reads or writes the audit, which is the last table. */
export async function stoppedAt(
  t: Test,
  event: 'INSERT ON audit' | 'SELECT ON audit',
  args: string[],
  environment: Environment,
) {
  const { THREADPLANE_DATABASE_SCHEMA: schema, THREADPLANE_DATABASE_URL: url } = environment
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  const lock = Math.floor(Math.random() * 1_000_000_000)
  await client.query('SELECT pg_advisory_lock($1)', [lock])
  if (event === 'INSERT ON audit') {
    await prepareTables(t, environment)
    await client.query(`CREATE FUNCTION ${schema}.stop() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(${lock}); RETURN NEW; END $$;
      CREATE TRIGGER stop BEFORE ${event.replace('audit', `${schema}.audit`)} EXECUTE FUNCTION ${schema}.stop()`)
  } else {
    await client.query(`ALTER TABLE ${schema}.audit RENAME TO audit_rows;
      CREATE FUNCTION ${schema}.stop() RETURNS boolean LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(${lock}); RETURN true; END $$;
      CREATE VIEW ${schema}.audit AS SELECT * FROM ${schema}.audit_rows WHERE ${schema}.stop()`)
  }
  const command = startMigrate(t, args, environment)
  const isWaiting = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${lock} AND NOT granted`
  let pid: number | undefined
  await eventually(async () => {
    pid = (await client.query<{ pid: number }>(isWaiting)).rows[0]?.pid
    return pid !== undefined
  })
  const goOn = async () => {
    await client.query('SELECT pg_advisory_unlock($1)', [lock])
    // Of a process that was killed, the database ends the transaction when it notices.
    if (command.child.exitCode !== null || command.child.signalCode !== null) {
      await eventually(
        async () => (await client.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rows.length === 0,
      )
      if (event === 'SELECT ON audit') {
        await client.query(`DROP VIEW ${schema}.audit; ALTER TABLE ${schema}.audit_rows RENAME TO audit`)
      } else await client.query(`DROP TRIGGER stop ON ${schema}.audit`)
    }
  }
  return { command, goOn }
}

/** Makes the tables, as a server does that starts and stops. */
async function prepareTables(t: Test, environment: Environment) {
  const empty = { ...environment, THREADPLANE_DATA: newFolder(t) }
  t.match(await migrate(t, ['folder'], empty), { code: 1, output: 'holds nothing' })
}
