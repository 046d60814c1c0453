/** The database: its tables, and what statements meet while it is killed, while it hangs, and when it is back. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { uuidv7 } from '../../src/contract/uuidv7.ts'
import { Database } from '../../src/cluster/database.ts'
import { AnswerLost } from '../../src/cluster/database-errors.ts'
import { MIGRATIONS } from '../../src/cluster/schema.ts'
import type { Run } from '../../src/cluster/statement.ts'
import { eventually, log } from '../sqlite/jobs.ts'
import { noPostgres, Postgres } from './postgres.ts'
import { changeTimings, inThisTurn } from './timings.ts'

const BEAT = { name: 'testBeat', text: 'SELECT 1' }
const INSERT = {
  name: 'testInsert',
  text: `INSERT INTO registrations (name, revision, registration) VALUES ($1, nextval('revisions'), '{}')`,
}
const COUNT = { name: 'testCount', text: 'SELECT count(*) AS count FROM registrations' }
const SLEEP = { name: 'testSleep', text: 'SELECT pg_sleep($1)' }
/** Which connection a statement was run on that takes so many seconds. */
const CONNECTION = { name: 'testConnection', text: 'SELECT pg_backend_pid() AS pid FROM pg_sleep($1)' }
const SHOW = { name: 'testShow', text: 'SELECT current_setting($1) AS value' }

const beat = async (run: Run) => void (await run(BEAT, []))
const keeper = { beat, renew: beat, nodes: 1 }

async function open(
  t: Test,
  postgres: Postgres,
  schema = postgres.schema(),
  connections = 3,
  url = postgres.url,
): Promise<Database> {
  const name = `threadplane ${uuidv7()}`
  const database = await Database.open({ url, schema, connections, applicationName: name, log })
  t.teardown(() => database.close())
  await database.start(keeper)
  return database
}

/** A network between a client and the server, which can lose all connections: the client learns that, and the server not. */
class Relay {
  readonly port: number
  readonly #pairs = new Set<[Socket, Socket]>()

  private constructor(port: number) {
    this.port = port
  }

  static async start(t: Test, target: number): Promise<Relay> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const relay = new Relay((server.address() as AddressInfo).port)
    server.on('connection', (client) => {
      const upstream = connect(target, '127.0.0.1')
      for (const end of [client, upstream]) end.on('error', () => {})
      client.pipe(upstream).pipe(client)
      relay.#pairs.add([client, upstream])
      t.teardown(() => upstream.destroy())
    })
    t.teardown(() => server.close())
    return relay
  }

  reset(): void {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe()
      upstream.unpipe()
      client.resetAndDestroy()
    }
    this.#pairs.clear()
  }
}

const count = async (database: Database) => (await database.run<{ count: number }>(COUNT, [])).rows[0]?.count
/** What a promise is rejected with. */
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
const unavailable = { code: 'JOURNAL_UNAVAILABLE' }

t.test('many nodes that start at the same time make the tables once', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const schema = postgres.schema()
  const databases = await Promise.all(Array.from({ length: 5 }, () => open(t, postgres, schema, 1)))
  await Promise.all(databases.map((database, n) => database.run(INSERT, [`${n}`])))
  for (const database of databases) t.equal(await count(database), 5)
  const versions = await postgres.query<{ version: number }>(`SELECT version FROM ${schema}.migrations`)
  t.equal(versions.length, MIGRATIONS.length)
  await postgres.query(`INSERT INTO ${schema}.migrations (version) VALUES (99)`)
  await t.rejects(open(t, postgres, schema), { message: /newer version of threadplane/ })
})

t.test('connections are opened one after another, for statements that wait', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const used = async (openNextAfterMs: number) => {
    changeTimings(t, { openNextAfterMs })
    const database = await open(t, postgres)
    const answers = await Promise.all([1, 2, 3, 4].map(() => database.run<{ pid: number }>(CONNECTION, [0.3])))
    return new Set(answers.map(({ rows }) => rows[0]?.pid)).size
  }
  t.equal(await used(1), 3, 'as many as there may be')
  t.equal(await used(60_000), 1, 'the next one is still to be opened')
})

t.test('a statement takes what is free, while another connection is being opened', { skip: noPostgres }, async (t) => {
  changeTimings(t, { openNextAfterMs: 1 })
  const postgres = await Postgres.start(t)
  const database = await open(t, postgres)
  const pid = async (seconds: number) => (await database.run<{ pid: number }>(CONNECTION, [seconds])).rows[0]?.pid
  const first = await pid(0)
  // From now on a new connection takes seconds.
  await postgres.query('ALTER SYSTEM SET post_auth_delay = 2')
  await postgres.query('SELECT pg_reload_conf()')
  await eventually(async () => {
    const [row] = await postgres.query<{ post_auth_delay: string }>('SHOW post_auth_delay')
    return row?.post_auth_delay === '2s'
  })
  t.strictSame(await Promise.all([pid(0.1), pid(0)]), [first, first])
})

t.test(
  'sessions have the settings that the store relies on, whatever the defaults',
  { skip: noPostgres },
  async (t) => {
    const postgres = await Postgres.start(t, { settings: { synchronous_commit: 'off', statement_timeout: '0' } })
    const database = await open(t, postgres)
    const shown = async (name: string) => (await database.run<{ value: string }>(SHOW, [name])).rows[0]?.value
    t.equal(await shown('synchronous_commit'), 'on')
    t.equal(await shown('statement_timeout'), '5s')
    t.equal(await shown('plan_cache_mode'), 'force_generic_plan')
  },
)

t.test(
  'a database that is killed: refused at once, and used again when it is back',
  { skip: noPostgres },
  async (t) => {
    const postgres = await Postgres.start(t)
    const database = await open(t, postgres)
    await database.run(INSERT, ['before'])
    const [error] = await Promise.all([failureOf(database.run(SLEEP, [60])), postgres.kill()])
    t.ok(error instanceof AnswerLost, 'whether it was done is not known')
    t.equal(database.isWritable, false)
    await t.rejects(database.run(INSERT, ['meanwhile']), unavailable)
    const settled: string[] = []
    database.settle = async () => {
      t.equal(database.isWritable, false)
      settled.push('settled')
    }
    await postgres.start()
    t.ok(await database.isBackWithin(10_000))
    t.equal(database.isWritable, true)
    t.strictSame(settled, ['settled'], 'what the outage left open comes first')
    await database.run(INSERT, ['after'])
    t.equal(await count(database), 2)
  },
)

t.test('what settles an outage leaves its connection to the statements', { skip: noPostgres }, async (t) => {
  changeTimings(t, { firstBeatAfterMs: 60_000 })
  const postgres = await Postgres.start(t)
  const database = await open(t, postgres)
  const ids: (number | undefined)[] = []
  database.settle = async (run) => {
    const { rows } = await run<{ pid: number }>(CONNECTION, [0])
    ids.push(rows[0]?.pid)
  }
  await postgres.kill()
  await postgres.start()
  t.ok(await database.isBackWithin(10_000))
  const { rows } = await database.run<{ pid: number }>(CONNECTION, [0])
  t.strictSame(ids, [rows[0]?.pid])
  const connected = await postgres.query("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'threadplane %'")
  t.equal(connected.length, 1, 'no other connection is needed before the first beat')
})

t.test(
  'a statement that settles, and whose connection is lost, ends before the next try',
  { skip: noPostgres },
  async (t) => {
    const postgres = await Postgres.start(t)
    const relay = await Relay.start(t, postgres.port)
    const database = await open(
      t,
      postgres,
      postgres.schema(),
      3,
      postgres.url.replace(`:${postgres.port}/`, `:${relay.port}/`),
    )
    const active = () =>
      postgres.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
    const found: number[] = []
    database.settle = async (run) => {
      found.push((await active()).length)
      if (found.length > 1) return
      const asked = run(SLEEP, [60])
      await eventually(async () => (await active()).length === 1)
      relay.reset()
      await asked
    }
    relay.reset()
    await eventually(() => !database.isWritable)
    t.ok(await database.isBackWithin(10_000))
    t.strictSame(found, [0, 0])
  },
)

t.test(
  'where the server has no more connections, statements use those that there are',
  { skip: noPostgres },
  async (t) => {
    changeTimings(t, { openNextAfterMs: 1, firstBeatAfterMs: 1 })
    const postgres = await Postgres.start(t)
    const schema = postgres.schema()
    await postgres.query('CREATE ROLE app LOGIN SUPERUSER')
    const database = await open(t, postgres, schema, 8, postgres.url.replace('threadplane@', 'app@'))
    await database.run(SLEEP, [0])
    // The beat has the other one.
    await postgres.query(`ALTER ROLE app NOSUPERUSER CONNECTION LIMIT 2; GRANT USAGE ON SCHEMA ${schema} TO app`)
    const many = () => Promise.all(Array.from({ length: 20 }, () => database.run(SLEEP, [0.01])))
    await many()
    // From now on there is one for the beat and the statements.
    await postgres.query('ALTER ROLE app CONNECTION LIMIT 1')
    await postgres.kill()
    await postgres.start()
    t.ok(await database.isBackWithin(10_000))
    const { untilUp } = database
    await many()
    await untilUp
    await many()
    t.equal(database.isWritable, true)
  },
)

t.test('a database that hangs: refused by the beat, and then at once', { skip: noPostgres }, async (t) => {
  // So that only the beat can refuse it.
  changeTimings(t, {
    beatWithinMs: 700,
    connectionWithinMs: 600_000,
    statementWithinMs: 600_000,
    answerWithinMs: 600_000,
  })
  const postgres = await Postgres.start(t)
  const database = await open(t, postgres)
  postgres.freeze()
  t.teardown(() => postgres.thaw())
  await t.rejects(database.run(INSERT, ['lost']), { ...unavailable, message: /does not answer/ })
  t.match(await inThisTurn(database.run(INSERT, ['refused'])), unavailable)
  postgres.thaw()
  t.ok(await database.isBackWithin(10_000))
  const found = await postgres.query('SELECT 1 FROM pg_stat_activity WHERE application_name LIKE $1', ['threadplane %'])
  t.ok(found.length <= 2, 'connections that were given up have ended: the beat, and perhaps one that was idle')
  await database.run(INSERT, ['after'])
})

t.test('one statement that takes too long is refused, and the others go on', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const schema = postgres.schema()
  const database = await open(t, postgres, schema)
  const slow = database.run(SLEEP, [60])
  await database.run(INSERT, ['meanwhile'])
  await t.rejects(slow, { ...unavailable, message: 'the database takes too long' })
  t.equal(database.isWritable, true)
  const busy = [1, 2, 3].map(() => database.run(SLEEP, [3]))
  await t.rejects(database.run(INSERT, ['no connection']), unavailable)
  t.equal(database.isWritable, true, 'a statement that finds no connection says nothing about the database')
  await Promise.all(busy)
})

t.test('a connection that is ended from outside', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const database = await open(t, postgres)
  const asked = failureOf(database.run(SLEEP, [60]))
  const pids = async () =>
    postgres.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`)
  while ((await pids()).length === 0);
  t.match(await asked, unavailable)
  t.ok(await database.isBackWithin(10_000))
  await database.run(INSERT, ['after'])
})
