/** The pulse, over connections of the test: what becomes of a first beat while the database comes and goes. */
import { EventEmitter } from 'node:events'
import type { Client } from 'pg'
import t from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { Pulse } from '../../src/cluster/pulse.ts'
import { eventually } from '../sqlite/jobs.ts'
import { changeTimings } from './timings.ts'

/** A connection that has ended, or not. */
class Connection extends EventEmitter {
  isEnded = false

  async end(): Promise<void> {
    this.isEnded = true
    this.emit('end')
  }
}

/** A pulse whose database the test is. */
class Watched {
  readonly pulse: Pulse
  /** Resolves to the next connection, or rejects. */
  connect: () => Promise<Connection>
  /** What a beat runs on: a connection, or those for statements. */
  readonly beats: unknown[] = []
  reopened = 0
  downs = 0

  constructor(connect = async () => new Connection()) {
    this.connect = connect
    this.pulse = new Pulse({
      connect: async () => (await this.connect()) as unknown as Client,
      run: (client) => async () => ({ rows: [client as never], count: 1 }),
      borrow: () => async () => ({ rows: ['borrowed' as never], count: 1 }),
      onDown: () => {
        this.downs += 1
      },
      reopen: async () => {
        this.reopened += 1
      },
      onUp: () => {},
    })
    this.pulse.start({
      nodes: 1,
      renew: async () => {},
      beat: async (run) => void this.beats.push((await run({ name: '', text: '' }, [])).rows[0]),
    })
  }

  /** The database is lost, and can be used again. */
  async lose(): Promise<void> {
    const before = this.reopened
    this.pulse.fail(new Error('the connection is lost'))
    await eventually(() => this.reopened > before)
    await this.pulse.untilUsable
  }
}

t.test('a connection that is being opened for the first beat is given up with all others', async (t) => {
  changeTimings(t, { firstBeatAfterMs: 1, beatWithinMs: 60_000 })
  const watched = new Watched()
  t.teardown(() => watched.pulse.close())
  await watched.pulse.untilUp
  const connections: Deferred<Connection>[] = []
  watched.connect = () => {
    const next = new Deferred<Connection>()
    connections.push(next)
    return next.promise
  }
  await watched.lose()
  await eventually(() => connections.length === 1)
  await watched.lose()
  t.equal(watched.downs, 2, 'the database is tried again at once, and not after the connection')
  const late = new Connection()
  connections[0]?.resolve(late)
  await eventually(() => late.isEnded)
  await eventually(() => connections.length === 2)
  const own = new Connection()
  connections[1]?.resolve(own)
  await watched.pulse.untilUp
  t.equal(watched.beats.at(-1), own)
  t.equal(watched.downs, 2)
})

t.test('where there is no connection for the beat, it uses those for statements', async (t) => {
  changeTimings(t, { firstBeatAfterMs: 1, beatEveryMs: 1 })
  const watched = new Watched()
  t.teardown(() => watched.pulse.close())
  await watched.pulse.untilUp
  const { connect } = watched
  watched.connect = () => Promise.reject(new Error('too many connections'))
  await watched.lose()
  await eventually(() => watched.beats.filter((on) => on === 'borrowed').length > 2)
  watched.connect = connect
  await eventually(() => watched.beats.at(-1) instanceof Connection)
  t.equal(watched.downs, 1)
})

t.test('at the start the beat waits for a connection of its own', async (t) => {
  changeTimings(t, { retryEveryMs: 1 })
  let tries = 0
  const watched = new Watched(() => {
    tries += 1
    return tries > 3 ? Promise.resolve(new Connection()) : Promise.reject(new Error('too many connections'))
  })
  t.teardown(() => watched.pulse.close())
  await watched.pulse.untilUp
  t.equal(watched.beats.length, 1)
  t.ok(watched.beats[0] instanceof Connection)
  t.strictSame([watched.downs, watched.reopened], [0, 0], 'nothing is open that could be given up')
})
