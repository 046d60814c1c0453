/** The table of the audit: what is forgotten, and that no page reads more than it shows. */
import { join } from 'node:path'
import { auditRow } from '../audit-row.ts'
import t, { type Test } from 'tap'
import { AuditTable } from '../../src/sqlite/audit.ts'
import { DatabaseFile } from '../../src/sqlite/database-file.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

function table(t: Test, ...limits: number[]): { file: DatabaseFile; audit: AuditTable } {
  const file = new DatabaseFile(join(t.testdir(), 'jobs.sqlite'))
  t.teardown(() => file.close())
  return { file, audit: new AuditTable(file, ...limits) }
}

const targets = (audit: AuditTable) => audit.page({ limit: 1_000 }).items.map(({ target }) => target)

t.test('rows are forgotten after 30 days, in steps', async (t) => {
  const { audit } = table(t)
  const at = Date.now() - 30 * DAY_MS - 1_000
  audit.add(Array.from({ length: 1_200 }, (_, n) => auditRow(`old ${n}`, { at })))
  audit.add([auditRow('young', { at: Date.now() - 30 * DAY_MS + 60_000 }), auditRow('new')])
  t.ok([...audit.steps()].length >= 2, 'in several transactions')
  t.strictSame(targets(audit), ['new', 'young'])
})

t.test('where there are too many rows, refusals are forgotten first', async (t) => {
  const { audit } = table(t, DAY_MS, 10)
  const refused = { outcome: 'refused', token: null, via: 'none', service: null } as const
  for (let n = 0; n < 8; n += 1) audit.add([auditRow(`change ${n}`), auditRow(`flood ${n}`, refused)])
  t.same([...audit.steps()].length > 0, true)
  const changes = Array.from({ length: 8 }, (_, n) => `change ${7 - n}`)
  t.strictSame(targets(audit), ['flood 7', 'change 7', 'flood 6', ...changes.slice(1)])
  audit.add(Array.from({ length: 5 }, (_, n) => auditRow(`later ${n}`)))
  for (const _step of audit.steps());
  t.strictSame(targets(audit).length, 10)
  t.notOk(targets(audit).includes('flood 7'))
  t.ok(targets(audit).includes('change 7'))
  t.notOk(targets(audit).includes('change 0'), 'then the oldest ones')
})

t.test('pages of each filter, also where rows go between two pages', async (t) => {
  const { file, audit } = table(t)
  for (let n = 0; n < 6; n += 1) {
    audit.add([auditRow(`${n}`, { service: n % 2 === 0 ? 'mail' : 'web', token: n < 3 ? 'ci' : null })])
  }
  const shown = (filter: { service?: string; token?: string }) => {
    const found: (string | null)[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = audit.page({ ...filter, limit: 1, ...(cursor !== undefined && { cursor }) })
      found.push(...page.items.map(({ target }) => target))
      cursor = page.nextCursor
    }
    return found
  }
  t.strictSame(shown({}), ['5', '4', '3', '2', '1', '0'])
  t.strictSame(shown({ service: 'mail' }), ['4', '2', '0'])
  t.strictSame(shown({ token: 'ci' }), ['2', '1', '0'])
  t.strictSame(shown({ service: 'mail', token: 'ci' }), ['2', '0'])
  t.strictSame(shown({ service: 'nobody' }), [])
  const { nextCursor } = audit.page({ limit: 2 })
  file.run('DELETE FROM audit WHERE target = ?', '4')
  t.match(audit.page({ limit: 1, cursor: nextCursor as string }).items, [{ target: '3' }])
})
