/** P3, in shared memory: of two sides that claim a method, exactly one has it. */
import { once } from 'node:events'
import t from 'tap'
import { Worker } from 'node:worker_threads'
import { SlotTable } from '../../src/protocol/slot-table.ts'
import { nextSequence } from '../../src/protocol/slots.ts'

t.test('a method is begun or revoked, never both; the number of an earlier method does nothing', (t) => {
  const control = new SlotTable(2)
  const thread = new SlotTable(control.shared)
  t.equal(thread.length, 2)
  control.hand(0, 7)
  t.equal(thread.isHanded(0, 7), true)
  t.equal(thread.begin(0, 6), false)
  t.equal(control.hasBegun(0, 7), false)
  t.equal(thread.begin(0, 7), true)
  t.equal(control.hasBegun(0, 7), true)
  t.equal(thread.isHanded(0, 7), false)
  t.equal(control.revoke(0, 7), false)
  control.hand(0, 8)
  t.equal(control.hasBegun(0, 7), false)
  t.equal(control.revoke(0, 8), true)
  t.equal(thread.begin(0, 8), false)
  t.end()
})

t.test('two threads claim the same methods: exactly one of them has each', async (t) => {
  const rounds = 20_000
  const table = new SlotTable(rounds)
  for (let slot = 0; slot < rounds; slot += 1) table.hand(slot, slot + 1)
  const begin = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.module).then(({ SlotTable }) => {
      const table = new SlotTable(workerData.buffer)
      const begun = []
      parentPort.postMessage('ready')
      for (let slot = 0; slot < table.length; slot += 1) if (table.begin(slot, slot + 1)) begun.push(slot)
      parentPort.postMessage(begun)
    })`
  const module = new URL('../../src/protocol/slot-table.js', import.meta.url).href
  const worker = new Worker(begin, { eval: true, workerData: { buffer: table.shared, module } })
  await once(worker, 'message')
  const revoked: number[] = []
  for (let slot = rounds - 1; slot >= 0; slot -= 1) if (table.revoke(slot, slot + 1)) revoked.push(slot)
  const [begun] = (await once(worker, 'message')) as [number[]]
  t.strictSame(
    [...begun, ...revoked].sort((a, b) => a - b),
    [...new Array(rounds).keys()],
  )
})

t.test('the sequence number after the largest is 1, and the largest has a negation', (t) => {
  const most = 2 ** 31 - 1
  t.equal(nextSequence(0), 1)
  t.equal(nextSequence(most), 1)
  const table = new SlotTable(1)
  table.hand(0, most)
  t.equal(table.begin(0, most), true)
  t.equal(table.hasBegun(0, most), true)
  t.end()
})
