/** The queue of the audit's rows: it is bounded, and what is lost is logged. */
import t from 'tap'
import { AuditTrail } from '../../src/auth/audit-trail.ts'
import { Deferred } from '../../src/async/deferred.ts'
import type { AuditRow, AuditStore } from '../../src/contract/audit.ts'
import { Logs } from '../http-helper.ts'

const LOST = 'rows of the audit are lost: the journal does not take them, or they are too many'

const row = (target: string): AuditRow => ({
  at: 1,
  token: null,
  via: 'open',
  address: '127.0.0.1',
  action: 'stopService',
  service: null,
  target,
  outcome: 'ok',
  code: null,
  requestId: '',
})

/** Each write waits until the test ends it. */
class Store implements AuditStore {
  readonly writes: { rows: AuditRow[]; done: Deferred<void> }[] = []

  audit(rows: AuditRow[]): Promise<void> {
    const done = new Deferred<void>()
    this.writes.push({ rows, done })
    return done.promise
  }

  async audits(): Promise<never> {
    throw new Error('not used')
  }
}

t.test('one write at a time; what arrives meanwhile is written together', async (t) => {
  const store = new Store()
  const logs = new Logs()
  const trail = new AuditTrail(store, logs.logger)
  for (const target of ['a', 'b', 'c']) trail.record(row(target))
  t.match(store.writes, [{ rows: [{ target: 'a' }] }])
  store.writes[0]?.done.resolve()
  await new Promise(setImmediate)
  t.match(store.writes[1]?.rows, [{ target: 'b' }, { target: 'c' }])
  trail.record(row('d'))
  trail.close()
  t.match(store.writes[2]?.rows, [{ target: 'd' }], 'the rest is written at the end')
  t.equal(store.writes.length, 3)
  t.notOk(logs.has(LOST))
})

t.test('rows beyond the queue, and rows that are refused, are lost; the log counts them', async (t) => {
  const store = new Store()
  const logs = new Logs()
  const trail = new AuditTrail(store, logs.logger)
  trail.record(row('first'))
  for (let n = 0; n < 5_003; n += 1) trail.record(row(`${n}`))
  t.match(await logs.line(LOST), { rows: 3, last: { target: '5002' } })
  store.writes[0]?.done.reject(new Error('full'))
  t.match(await logs.line(LOST, {}, 2), { rows: 1, last: { target: 'first' } })
  t.equal(store.writes[1]?.rows.length, 500)
  trail.close()
  t.equal(store.writes[2]?.rows.length, 4_500)
})
