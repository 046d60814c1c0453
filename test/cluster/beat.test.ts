/** What beats tell and read of the other nodes, over a real database: each node beats when the test says so. */
import tap, { type Test } from 'tap'
import { newIdentity, type ServiceLoad } from '../../src/cluster/cluster.ts'
import { connectionsTo } from '../../src/cluster/connections.ts'
import { Membership } from '../../src/cluster/membership.ts'
import { migrate } from '../../src/cluster/migrate.ts'
import type { Run } from '../../src/cluster/statement.ts'
import { StoreClock } from '../../src/cluster/store-clock.ts'
import { eventually, log } from '../sqlite/jobs.ts'
import { noPostgres, Postgres } from './postgres.ts'

const options = { skip: noPostgres }

/** Of all tests. A transaction of autovacuum would have what was told while it runs read twice. */
let server: Promise<Postgres> | undefined

const LOAD: ServiceLoad = { state: 'running', threads: 1, concurrency: 16, running: 0, waiting: 0, room: 1_024 }

class Plane {
  readonly postgres: Postgres
  readonly schema: string
  readonly #t: Test

  private constructor(t: Test, postgres: Postgres) {
    this.#t = t
    this.postgres = postgres
    this.schema = postgres.schema()
  }

  static async start(t: Test): Promise<Plane> {
    server ??= Postgres.start(tap, { settings: { autovacuum: 'off' } })
    const plane = new Plane(t, await server)
    await migrate(await plane.connect(), plane.schema)
    return plane
  }

  async connect() {
    const { url } = this.postgres
    const client = await (
      await connectionsTo({ url, schema: this.schema, connections: 1, applicationName: 'test' })
    ).connect()
    this.#t.teardown(() => client.end())
    return client
  }

  /** A node that has beaten once. */
  async join(name: string, { leaseMs = 60_000 } = {}): Promise<Node> {
    const node = new Node(name, await this.connection(), leaseMs)
    await node.beat()
    return node
  }

  /** Notes the names of its statements, and can lose an answer. */
  async connection(): Promise<Connection> {
    const client = await this.connect()
    const connection: Connection = {
      asked: [],
      loses: undefined,
      run: async ({ name, text }, values) => {
        connection.asked.push(name)
        const { rows, rowCount } = await client.query({ name, text, values })
        if (connection.loses === name) {
          connection.loses = undefined
          throw new Error('the answer is lost')
        }
        return { rows, count: rowCount ?? 0 }
      },
    }
    return connection
  }
}

interface Connection {
  /** Since the beat before. */
  asked: string[]
  loses: string | undefined
  run: Run
}

class Node {
  readonly membership: Membership
  connection: Connection

  constructor(name: string, connection: Connection, leaseMs: number) {
    this.connection = connection
    const self = newIdentity({ name, url: `http://${name}`, labels: {} })
    this.membership = new Membership({ self, version: 'test', leaseMs, clock: new StoreClock(), log })
    this.waits(0)
  }

  get id(): string {
    return this.membership.self.id
  }

  /** Has so many methods that wait, which the next beat tells. */
  waits(waiting: number): void {
    const load = new Map([['echo', { ...LOAD, waiting }]])
    this.membership.report = () => ({ load, modules: new Map(), services: [], waitedFor: [] })
  }

  /** Answers the names of the statements of this beat. */
  async beat(): Promise<string[]> {
    this.connection.asked = []
    await this.membership.beat(this.connection.run)
    return this.connection.asked
  }

  /** As after an outage. */
  async renew(): Promise<string[]> {
    this.connection.asked = []
    await this.membership.renew(this.connection.run)
    return this.connection.asked
  }

  /** How many methods wait on each other node, as far as this one knows. */
  get knows(): Record<string, number | undefined> {
    return Object.fromEntries(this.membership.peers.map(({ name, load }) => [name, load.get('echo')?.waiting]))
  }
}

tap.test('a beat writes and reads only what has changed', options, async (t) => {
  const plane = await Plane.start(t)
  const [a, b, c] = [await plane.join('a'), await plane.join('b'), await plane.join('c')]
  t.strictSame(c.knows, { a: 0, b: 0 })
  t.strictSame(a.knows, {})
  await a.beat()
  t.strictSame(a.knows, { b: 0, c: 0 }, 'nodes that have joined since')
  for (const node of [b, c, a, b, c]) await node.beat()
  t.strictSame(await a.beat(), ['beat'], 'nothing has changed')
  const [{ seenAt } = { seenAt: '' }] = a.membership.peers
  await b.beat()
  t.strictSame(await a.beat(), ['beat'], 'that a node has beaten is no change')
  t.not(a.membership.peers[0]?.seenAt, seenAt)

  await t.test('what a node tells is read once', async (t) => {
    b.waits(7)
    t.strictSame(await b.beat(), ['beatAndTell'])
    t.strictSame(await a.beat(), ['beat', 'readOthers'])
    t.strictSame(a.knows, { b: 7, c: 0 })
    t.strictSame(await a.beat(), ['beat'])
    t.strictSame(await b.beat(), ['beat'])
  })

  await t.test('a node that leaves', async (t) => {
    await c.membership.leave(c.connection.run)
    t.strictSame(await a.beat(), ['beat'])
    t.strictSame(a.knows, { b: 7 })
  })

  await t.test('a node whose row was removed puts it back, with what it tells', async (t) => {
    await plane.postgres.query(`DELETE FROM ${plane.schema}.nodes WHERE id = $1`, [b.id])
    await a.beat()
    t.strictSame(a.knows, {})
    b.waits(8)
    t.strictSame(await b.beat(), ['beatAndTell', 'join'])
    await a.beat()
    t.strictSame(a.knows, { b: 8 })
  })

  await t.test('a node that was silent for the lease is not known to those that join', async (t) => {
    const seen = "UPDATE nodes SET seen_at = clock_timestamp() - interval '2 minutes' WHERE id = $1"
    await (await plane.connect()).query(seen, [b.id])
    const d = await plane.join('d')
    t.strictSame(d.knows, { a: 0 })
    t.equal(d.membership.hasSilent, true)
    await b.beat()
    await d.beat()
    t.strictSame(d.knows, { a: 0, b: 8 })
    t.equal(d.membership.hasSilent, false)
  })
})

tap.test('after an outage a node renews its row, and the beat that follows does the rest', options, async (t) => {
  const plane = await Plane.start(t)
  const [a, b] = [await plane.join('a', { leaseMs: 500 }), await plane.join('b')]
  await eventually(async () => {
    await a.beat()
    return a.membership.maySpeakOfOthers
  })
  await eventually(() => !a.membership.holdsLease)
  t.strictSame(await a.renew(), ['renew'])
  t.equal(a.membership.holdsLease, true)
  t.equal(a.membership.maySpeakOfOthers, false, 'nodes that have not renewed theirs yet are as old as the outage')
  t.strictSame(await a.beat(), ['beat'])
  t.strictSame(Object.keys(a.knows), ['b'])

  await t.test('if others have taken it for gone, it joins again before it does anything else', async (t) => {
    let isLost = false
    b.membership.onLost(() => {
      isLost = true
    })
    await plane.postgres.query(`DELETE FROM ${plane.schema}.nodes WHERE id = $1`, [b.id])
    t.strictSame(await b.renew(), ['renew', 'beat', 'join'])
    t.equal(isLost, true)
    t.strictSame(await b.renew(), ['renew'])
  })

  await t.test('a database that can only be read cannot be used', async (t) => {
    const client = await plane.connect()
    await client.query('SET default_transaction_read_only = on')
    const run: Run = async ({ text }, values) => {
      const { rows, rowCount } = await client.query(text, values)
      return { rows, count: rowCount ?? 0 }
    }
    await t.rejects(a.membership.renew(run), { code: '25006' })
  })
})

tap.test('a node of an older version, which writes all of its row with each beat', options, async (t) => {
  const plane = await Plane.start(t)
  const a = await plane.join('a')
  const client = await plane.connect()
  const old = newIdentity({ name: 'old', url: 'http://old', labels: {} })
  const text = (waiting: number) =>
    JSON.stringify({ labels: {}, isLeaving: false, services: [['echo', ['running', 1, 16, 0, waiting, 1_024, null]]] })
  const joins = 'INSERT INTO nodes (id, name, url, token, version, load) VALUES ($1, $2, $3, $4, $5, $6)'
  await client.query(joins, [old.id, old.name, old.url, old.token, '0.1.0', text(1)])
  const beats = (waiting: number) =>
    client.query('UPDATE nodes SET seen_at = clock_timestamp(), url = $2, load = $3 WHERE id = $1::uuid RETURNING id', [
      old.id,
      old.url,
      text(waiting),
    ])
  await a.beat()
  t.strictSame(a.knows, { old: 1 })
  await beats(2)
  t.strictSame(await a.beat(), ['beat', 'readOthers'])
  t.strictSame(a.knows, { old: 2 })
  await beats(2)
  t.strictSame(await a.beat(), ['beat'])
})

tap.test('an answer that is lost loses no change', options, async (t) => {
  const plane = await Plane.start(t)
  const [a, b] = [await plane.join('a'), await plane.join('b')]
  for (const node of [a, b]) await node.beat()

  for (const lost of ['beat', 'readOthers']) {
    await t.test(`of the statement ${lost} of the node that reads`, async (t) => {
      b.waits(lost.length)
      await b.beat()
      a.connection.loses = lost
      await t.rejects(a.beat(), { message: 'the answer is lost' })
      await a.beat()
      t.strictSame(a.knows, { b: lost.length })
    })
  }

  await t.test('of the node that tells, and then has to tell what it had told before', async (t) => {
    b.waits(1)
    await b.beat()
    b.waits(2)
    b.connection.loses = 'beatAndTell'
    await t.rejects(b.beat())
    await a.beat()
    t.strictSame(a.knows, { b: 2 })
    b.waits(1)
    await b.beat()
    await b.beat()
    await a.beat()
    t.strictSame(a.knows, { b: 1 })
  })

  await t.test(
    'of the statement that puts its row back: the node learns once that it was taken for gone',
    async (t) => {
      let lost = 0
      b.membership.onLost(() => {
        lost += 1
      })
      await plane.postgres.query(`DELETE FROM ${plane.schema}.nodes WHERE id = $1`, [b.id])
      b.connection.loses = 'join'
      await t.rejects(b.beat())
      await b.beat()
      t.equal(lost, 1)
      await b.beat()
      t.equal(lost, 1)
    },
  )

  await t.test('on another connection everything is read anew, as it may be to another server', async (t) => {
    await a.beat()
    t.strictSame(await a.beat(), ['beat'])
    a.connection = await plane.connection()
    t.strictSame(await a.beat(), ['beat', 'readOthers'])
    t.strictSame(await a.beat(), ['beat'])
  })
})

tap.test('a change that is committed after a later one was read is read too', options, async (t) => {
  const plane = await Plane.start(t)
  const [a, b, c] = [await plane.join('a'), await plane.join('b'), await plane.join('c')]
  await a.beat()
  const slow = await plane.connect()
  await slow.query('BEGIN')
  await slow.query(`UPDATE nodes SET load = replace(load, '1024', '1023') WHERE id = $1`, [b.id])
  const room = () => a.membership.peers.find(({ name }) => name === 'b')?.load.get('echo')?.room
  c.waits(3)
  await c.beat()
  await a.beat()
  t.strictSame(a.knows, { b: 0, c: 3 })
  t.equal(room(), 1_024)
  await slow.query('COMMIT')
  await a.beat()
  t.equal(room(), 1_023)
})
