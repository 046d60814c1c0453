/** The store while the database is killed, hangs, or loses answers: nothing acknowledged is lost, nothing is done twice. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { uuidv7 } from '../../src/contract/uuidv7.ts'
import { newIdentity } from '../../src/cluster/cluster.ts'
import { PgStore } from '../../src/cluster/pg-store.ts'
import type { Accepted } from '../../src/jobs/job-store.ts'
import { accept, DAY_MS, eventually, FAILED, log, request, taken } from '../sqlite/jobs.ts'
import { noPostgres, Postgres } from './postgres.ts'
import { changeTimings, inThisTurn } from './timings.ts'

async function open(t: Test, postgres: Postgres, schema = postgres.schema(), name = 'test'): Promise<PgStore> {
  const node = newIdentity({ name, url: '', labels: {} })
  const options = { schema, connections: 4, node, version: 'test', keepJobsMs: DAY_MS, log }
  const store = await PgStore.open({ url: postgres.url, ...options })
  t.teardown(() => store.close())
  return store
}

const unavailable = { code: 'JOURNAL_UNAVAILABLE' }

t.test(
  'the database is killed again and again under load: nothing acknowledged is lost',
  { skip: noPostgres },
  async (t) => {
    const postgres = await Postgres.start(t)
    const store = await open(t, postgres)
    /** Accepted and begun → may the outcome be written? */
    const acknowledged = new Set<string>()
    const finished = new Map<string, boolean>()
    let ends = false
    const client = async () => {
      while (!ends) {
        const asked = request({ begin: true, maxAttempts: 1_000 })
        try {
          const [accepted] = await store.accept([asked])
          const { job } = accepted as Accepted & { kind: 'new' }
          acknowledged.add(job.id)
          if (job.state === 'running')
            finished.set(job.id, await store.finish(job.id, 1, { state: 'succeeded', result: '1' }))
        } catch (error) {
          t.match(error, unavailable)
          await sleep(5)
        }
      }
    }
    const clients = Array.from({ length: 20 }, client)
    for (let kills = 0; kills < 3; kills += 1) {
      const before = finished.size
      await eventually(() => finished.size > before + 200)
      await postgres.kill()
      await postgres.start()
      const since = performance.now()
      await eventually(() => store.isWritable)
      t.comment(`writable ${Math.round(performance.now() - since)} ms after the database is back`)
    }
    ends = true
    await Promise.all(clients)
    const refused = [...finished.values()].filter((written) => !written)
    t.equal(refused.length, 0, 'each outcome was written, also where the answer was lost')
    const jobs = await postgres.query<{ id: string; state: string; attempts: number }>(
      `SELECT id, state, attempts FROM ${await schemaIn(postgres)}.jobs`,
    )
    const byId = new Map(jobs.map((job) => [job.id, job]))
    t.strictSame(
      [...acknowledged].filter((id) => !byId.has(id)),
      [],
    )
    t.strictSame(
      [...finished.keys()].filter((id) => byId.get(id)?.state !== 'succeeded'),
      [],
    )
    t.strictSame(
      jobs.filter(({ attempts }) => attempts > 1),
      [],
    )
    t.strictSame(
      jobs.filter(({ state }) => state === 'running'),
      [],
      'no attempt is left that nobody runs',
    )
    t.comment(`${acknowledged.size} acknowledged`)
  },
)

async function schemaIn(postgres: Postgres): Promise<string> {
  const [found] = await postgres.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '^test_'`,
  )
  return found?.name as string
}

t.test('outcomes of an outage are kept, and written before later operations', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const store = await open(t, postgres)
  const ids = await Promise.all(Array.from({ length: 5 }, () => accept(store, { begin: true }).then(({ id }) => id)))
  const [finish = '', retry = '', release = '', withdraw = '', late = ''] = ids
  await postgres.kill()
  await eventually(() => !store.isWritable)
  const kept = [
    store.finish(finish, 1, { state: 'succeeded', result: '1' }),
    store.retry(retry, 1, FAILED, new Date()),
    store.release(release, 1),
    store.withdraw(withdraw, 1, { state: 'cancelled', error: FAILED, begun: false }),
    store.finish(late, 2, { state: 'succeeded', result: '1' }),
  ]
  await t.rejects(accept(store), unavailable)
  await t.rejects(store.get(finish), unavailable)
  await postgres.start()
  await eventually(() => store.isWritable)
  t.match(await store.get(finish), { state: 'succeeded' })
  t.match(await store.get(retry), { state: 'scheduled', history: [{ number: 1, error: FAILED }] })
  t.match(await store.get(release), { state: 'queued', attempts: 0 })
  t.match(await store.get(withdraw), { state: 'cancelled', attempts: 0 })
  t.match(await store.get(late), { state: 'running' }, 'that was another attempt')
  t.strictSame(await Promise.all(kept), [true, true, true, true, false])
})

t.test('an outcome that comes while an outage is settled is written with it', { skip: noPostgres }, async (t) => {
  changeTimings(t, { firstBeatAfterMs: 60_000 })
  const postgres = await Postgres.start(t)
  const schema = postgres.schema()
  const store = await open(t, postgres, schema)
  const { id } = await accept(store, { begin: true })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query(`BEGIN; LOCK TABLE ${schema}.jobs`)
  await postgres.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'threadplane %'",
  )
  await eventually(() => !store.isWritable)
  await eventually(async () => (await postgres.query('SELECT 1 FROM pg_locks WHERE NOT granted')).length > 0)
  const outcome = store.finish(id, 1, { state: 'succeeded', result: '1' })
  await client.query('COMMIT')
  t.equal(await outcome, true)
  await eventually(() => store.isWritable)
  t.match(await store.get(id), { state: 'succeeded' })
})

t.test(
  'the database hangs: refused by the beat, then at once; attempts that began are released',
  { skip: noPostgres },
  async (t) => {
    // So that only the beat can refuse it.
    changeTimings(t, {
      beatWithinMs: 700,
      connectionWithinMs: 600_000,
      statementWithinMs: 600_000,
      answerWithinMs: 600_000,
    })
    const postgres = await Postgres.start(t)
    const store = await open(t, postgres)
    const waiting = await accept(store)
    const running = await accept(store, { begin: true })
    postgres.freeze()
    t.teardown(() => postgres.thaw())
    const outcome = store.finish(running.id, 1, { state: 'succeeded', result: '1' })
    const asked = request({ begin: true })
    await Promise.all([
      t.rejects(store.accept([asked]), { ...unavailable, message: /does not answer/ }),
      t.rejects(store.take('mail', 1, 1_000), unavailable),
    ])
    t.match(await inThisTurn(accept(store)), unavailable)
    postgres.thaw()
    await eventually(() => store.isWritable)
    t.equal(await outcome, true)
    t.match(await store.get(running.id), { state: 'succeeded' })
    t.match(await store.get(waiting.id), { state: 'queued', attempts: 0 }, 'nobody ran what was taken')
    const lost = await store.get(asked.id)
    if (lost !== undefined) t.match(lost, { state: 'queued', attempts: 0 }, 'it may be stored, and waits then')
    t.ok((await taken(store)).includes(waiting.id))
  },
)

t.test('a node begins nothing and ends nothing once its row is gone', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const schema = postgres.schema()
  const store = await open(t, postgres, schema)
  const other = await open(t, postgres, schema)
  const { id } = await accept(store, { begin: true })
  t.equal(await other.finish(id, 1, { state: 'succeeded', result: '1' }), false, 'another node does not end it')
  // A beat would add it again.
  await postgres.query(`CREATE FUNCTION ${schema}.keep() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql;
    CREATE TRIGGER keep BEFORE INSERT ON ${schema}.nodes FOR EACH ROW WHEN (NEW.name = 'test') EXECUTE FUNCTION ${schema}.keep()`)
  await postgres.query(`DELETE FROM ${schema}.nodes`)
  t.match(await accept(store, { begin: true }), { state: 'queued' })
  t.strictSame(await taken(store), [])
  await (await open(t, postgres, schema, 'heir')).close()
  await postgres.query(`DROP TRIGGER keep ON ${schema}.nodes`)
  t.match(await store.get(id), { state: 'scheduled', history: [{ error: { reason: 'SERVER_ENDED' } }] })
  t.equal(await store.finish(id, 1, { state: 'succeeded', result: '1' }), false, 'its late outcome is refused')
})

t.test(
  'a hundred equal keys over two nodes are one job, and two nodes take each job once',
  { skip: noPostgres },
  async (t) => {
    const postgres = await Postgres.start(t)
    const schema = postgres.schema()
    const stores = await Promise.all([open(t, postgres, schema), open(t, postgres, schema)])
    const key = { idempotency: { scope: 'mail/send/1', fingerprint: 'a', expiresAt: Date.now() + DAY_MS } }
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => (stores[n % 2] as PgStore).accept([request(key)])),
    )
    t.equal(answers.flat().filter(({ kind }) => kind === 'new').length, 1)
    t.equal(answers.flat().filter(({ kind }) => kind === 'duplicate').length, 99)
    await Promise.all(Array.from({ length: 300 }, (_, n) => accept(stores[n % 2] as PgStore)))
    const found: string[] = []
    const drain = async (store: PgStore) => {
      for (let empty = 0; empty < 3; ) {
        const ids = await taken(store, 7)
        found.push(...ids)
        empty = ids.length === 0 ? empty + 1 : 0
      }
    }
    await Promise.all(stores.map(drain))
    t.equal(found.length, 301)
    t.equal(new Set(found).size, 301)
  },
)

t.test('a tick is cast once among the nodes', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const schema = postgres.schema()
  const stores = await Promise.all([open(t, postgres, schema), open(t, postgres, schema)])
  const [first] = stores as [PgStore, PgStore]
  const schedule = {
    service: 'mail',
    name: 'daily',
    cron: '0 3 * * *',
    timezone: 'UTC',
    method: 'send',
    source: 'http' as const,
  }
  await first.putSchedule({ ...schedule, payloadBytes: 3, createdAt: 1 }, '[1]')
  const tick = { service: 'mail', name: 'daily', at: 7 }
  const answers = (await Promise.all(stores.map((store) => store.accept([request({ tick })])))).flat()
  t.strictSame(answers.map(({ kind }) => kind).sort(), ['duplicate', 'new'])
  t.equal(new Set(answers.map((answer) => (answer as { job: { id: string } }).job.id)).size, 1)
  t.equal((await first.list({ limit: 10 })).items.length, 1)
  await first.removeSchedule('mail', 'daily')
  await t.rejects(first.accept([request({ tick: { ...tick, at: 8 } })]), { code: 'SCHEDULE_NOT_FOUND' })
})

t.test('a clock of this process that is hours behind changes no wait', { skip: noPostgres }, async (t) => {
  const postgres = await Postgres.start(t)
  const store = await open(t, postgres)
  const { now } = Date
  const HOUR_MS = 3_600_000
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() - 5 * HOUR_MS
  await store.clockSetBack()
  const { id } = await accept(store, { createdAt: Date.now(), notBefore: Date.now() + HOUR_MS })
  const { notBefore } = (await store.get(id)) ?? {}
  const leftMs = Date.parse(notBefore as string) - now()
  t.ok(leftMs > 0.9 * HOUR_MS && leftMs < 1.1 * HOUR_MS, 'by the clock of the database')
  const dueMs = (await store.nextDueAt('mail')) - Date.now()
  t.ok(dueMs > 0.9 * HOUR_MS && dueMs < 1.1 * HOUR_MS, 'by the clock of the process')
})

t.test(
  'the attempts of a node that was killed end after its lease, and its jobs run again',
  { skip: noPostgres },
  async (t) => {
    changeTimings(t, { leaseMs: 4_000, beatEveryMs: 50, upkeepEveryMs: 20 })
    const postgres = await Postgres.start(t)
    const schema = postgres.schema()
    const store = await open(t, postgres, schema)
    const { id } = await accept(store, { begin: true })
    const { id: last } = await accept(store, { begin: true, maxAttempts: 1 })
    const killed = uuidv7()
    await postgres.query(`INSERT INTO ${schema}.nodes (id, name, url, token, version) VALUES ('${killed}', 'b', '', '', '');
    UPDATE ${schema}.jobs SET node = '${killed}'`)
    const again = await eventually(async () => {
      const job = await store.get(id)
      return job?.state === 'scheduled' && job
    })
    t.match(again, { attempts: 1, history: [{ number: 1, error: { reason: 'SERVER_ENDED' } }] })
    t.match(await store.get(last), { state: 'failed', error: { reason: 'SERVER_ENDED' } })
    t.match(await store.failures(10), [{ code: 'THREAD_DIED', name: 'SERVER_ENDED', count: 1 }])
    t.ok((await taken(store)).includes(id))
  },
)
