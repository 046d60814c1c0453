/** What is said of an accepted job, by the settings of the database. */
import t from 'tap'
import { durabilityOf, readDurability } from '../../src/cluster/durability.ts'
import { openPgStore } from '../job-store/stores.ts'
import { noPostgres } from './postgres.ts'

const FLUSHED = { fsync: 'on', fullPageWrites: 'on', synchronousCommit: 'on', synchronousStandbyNames: '' }

t.test('flushed at one machine, or at two', async (t) => {
  t.strictSame(durabilityOf(FLUSHED), { safe: true, text: 'survives a crash of the database' })
  const standby = { ...FLUSHED, synchronousStandbyNames: 'ANY 1 (b, c)' }
  t.strictSame(durabilityOf(standby), { safe: true, text: 'survives the loss of its machine' })
})

t.test('not flushed', async (t) => {
  for (const [wrong, name] of [
    [{ fsync: 'off' }, 'fsync'],
    [{ fullPageWrites: 'off' }, 'full_page_writes'],
    [{ synchronousCommit: 'off' }, 'synchronous_commit'],
  ] as const) {
    const { safe, text } = durabilityOf({ ...FLUSHED, ...wrong, synchronousStandbyNames: '*' })
    t.equal(safe, false)
    t.equal(text, `may be lost in a crash of the database: ${name} is off`)
  }
})

t.test('the settings are those of the sessions of the store', { skip: noPostgres }, async (t) => {
  const store = await openPgStore(t)
  const { text } = await readDurability(store.database.run)
  t.equal(text, 'may be lost in a crash of the database: fsync and full_page_writes are off')
})
