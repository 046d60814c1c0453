/** The heartbeat of a thread, as the control thread reads it. */
import t from 'tap'
import { Heartbeat } from '../../src/protocol/heartbeat.ts'

t.test('every beat changes the count, and a heap of more bytes than an Int32 holds is reported', (t) => {
  const thread = new Heartbeat()
  const control = new Heartbeat(thread.buffer)
  const before = control.count
  thread.beat(8 * 2 ** 30)
  t.not(control.count, before)
  t.equal(control.heapUsedBytes, 8 * 2 ** 30)
  t.end()
})
