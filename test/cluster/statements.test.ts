/**
 * The statements, against the traps of PostgreSQL: plans that were made while a table was empty, NOTIFY in a transaction
 * that writes, NUL in JSON, and conditions that no index serves.
 */
import t from 'tap'
import pg from 'pg'
import '../../src/cluster/durability.ts'
import { statements } from '../../src/cluster/statement.ts'
import { accept, FAILED, failed } from '../sqlite/jobs.ts'
import { openPgStore, postgresOfFile, schemaOf } from '../job-store/stores.ts'
import { noPostgres } from './postgres.ts'

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  Filter?: string
  Plans?: Plan[]
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

t.test(
  'no statement reads a whole table, also with a plan made while it was empty',
  { skip: noPostgres },
  async (t) => {
    const store = await openPgStore(t)
    const postgres = await postgresOfFile()
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    t.teardown(() => client.end())
    // As the sessions of the store are.
    await client.query(`SET search_path = ${schemaOf(store)}; SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off`)
    t.ok(statements.size > 50)
    for (const { name, text } of statements.values()) {
      await client.query(`PREPARE "${name}" AS ${text}`)
      const { rows } = await client.query<{ count: number }>(
        'SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = $1',
        [name],
      )
      const given = new Array(rows[0]?.count ?? 0).fill('NULL').join(', ')
      const explained = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (FORMAT JSON) EXECUTE "${name}"${given === '' ? '' : `(${given})`}`,
      )
      const plan = explained.rows[0]?.['QUERY PLAN'][0].Plan as Plan
      // Nodes are few, and counting or forgetting them reads them all.
      const whole = nodesOf(plan).filter(
        (node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== 'nodes',
      )
      t.strictSame(whole, [], name)
      // A time that changes during the statement is compared with each row, instead of being looked up.
      const compared = nodesOf(plan).filter(({ Filter = '' }) => Filter.includes('clock_timestamp'))
      t.strictSame(
        compared.filter((node) => node['Relation Name'] !== 'nodes'),
        [],
        `${name} looks times up`,
      )
    }
  },
)

t.test('no statement that writes notifies, as its commit would wait for all others', async (t) => {
  for (const { name, text } of statements.values()) {
    if (/notify/i.test(text)) t.notMatch(text, /\b(INSERT|UPDATE|DELETE)\b/, name)
  }
})

t.test('no statement has a condition that is true without a value', async (t) => {
  for (const { name, text } of statements.values()) {
    t.notMatch(text, /\$\d+(::[\w[\]]+)? IS NULL/i, name)
  }
})

t.test('NUL, and halves of characters, in everything that is JSON', { skip: noPostgres }, async (t) => {
  const store = await openPgStore(t)
  const odd = '\u0000 and \ud800'
  const text = JSON.stringify({ odd })
  const { id } = await accept(store, { payload: text, begin: true })
  t.match(await store.payload(id), { payload: text })
  const error = { ...FAILED, message: odd }
  t.equal(await store.retry(id, 1, error, new Date()), true)
  t.match(await store.take('mail', 1, 1_000), [{ id, payload: text, lastError: error }])
  t.match(await store.get(id), { history: [{ error }, {}] })
  t.equal(await store.finish(id, 2, { state: 'failed', error }), true)
  t.match(await store.requeue(id), { history: [{ error }, { error }] })
  await store.take('mail', 1, 1_000)
  t.equal(await store.finish(id, 3, { state: 'succeeded', result: text }), true)
  t.match(await store.get(id), { result: text })
  const { id: other } = await failed(store)
  t.match(await store.get(other), { state: 'failed' })
})
