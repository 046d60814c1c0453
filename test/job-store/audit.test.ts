/** The rows of the audit: pages of each filter. */
import { auditRow } from '../audit-row.ts'
import t from 'tap'
import { AuditRetention } from '../../src/cluster/audit-retention.ts'
import { noPostgres } from '../cluster/postgres.ts'
import { eachStore, openPgStore } from './stores.ts'

eachStore('rows are answered as they were recorded, the newest first, by service and token', async (t, stores) => {
  const store = await stores.open(t)
  const rows = Array.from({ length: 6 }, (_, n) =>
    auditRow(`${n}`, { service: n % 2 === 0 ? 'mail' : 'web', token: n < 3 ? 'ci' : null, at: n }),
  )
  await store.audit(rows.slice(0, 4))
  await store.audit(rows.slice(4))
  t.strictSame((await store.audits({ limit: 10 })).items, rows.toReversed())
  const shown = async (filter: { service?: string; token?: string }) => {
    const found: (string | null)[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await store.audits({ ...filter, limit: 1, ...(cursor !== undefined && { cursor }) })
      found.push(...page.items.map(({ target }) => target))
      cursor = page.nextCursor
    }
    return found
  }
  t.strictSame(await shown({}), ['5', '4', '3', '2', '1', '0'])
  t.strictSame(await shown({ service: 'mail' }), ['4', '2', '0'])
  t.strictSame(await shown({ token: 'ci' }), ['2', '1', '0'])
  t.strictSame(await shown({ service: 'mail', token: 'ci' }), ['2', '0'])
  t.strictSame(await shown({ service: 'nobody' }), [])
})

eachStore('rows are forgotten after 30 days', async (t, stores) => {
  const store = await stores.open(t)
  const monthMs = 30 * 24 * 60 * 60 * 1_000
  await store.audit(Array.from({ length: 1_200 }, (_, n) => auditRow(`old ${n}`, { at: Date.now() - monthMs - 1_000 })))
  await store.audit([auditRow('young', { at: Date.now() - monthMs + 60_000 }), auditRow('new')])
  t.ok((await store.retain()) >= 2, 'in several transactions')
  t.strictSame(
    (await store.audits({ limit: 10 })).items.map(({ target }) => target),
    ['new', 'young'],
  )
})

t.test('where there are too many rows, refusals are forgotten first', { skip: noPostgres }, async (t) => {
  const store = await openPgStore(t)
  const retention = new AuditRetention(store.database.run, 86_400_000, 10)
  const refused = { outcome: 'refused', token: null, via: 'none', service: null } as const
  for (let n = 0; n < 8; n += 1) await store.audit([auditRow(`change ${n}`), auditRow(`flood ${n}`, refused)])
  let steps = 0
  for await (const _step of retention.steps()) steps += 1
  t.ok(steps > 0)
  const left = (await store.audits({ limit: 100 })).items.map(({ target }) => target)
  t.equal(left.length, 10)
  t.equal(left.filter((target) => target?.startsWith('change')).length, 8)
})
