/** What a thread or a process posts is checked before it is used. */
import t from 'tap'
import { checkEncodedValue, checkProcessMessage } from '../../src/protocol/check-messages.ts'
import { unpackMessages } from '../../src/protocol/unpack-messages.ts'
import { FORGED, MEANINGLESS } from '../http-fixtures/forges.ts'

t.test('messages of a wrong form are refused', async (t) => {
  for (const [name, message] of Object.entries(FORGED)) {
    // Whether a slot exists is known to the handoff only.
    if (name !== 'a tuple with a far slot') t.throws(() => unpackMessages(message), { name: 'TypeError' }, name)
  }
})

t.test('messages of the right form are taken', async (t) => {
  for (const [name, message] of Object.entries(MEANINGLESS)) t.doesNotThrow(() => unpackMessages(message), name)
  const error = { name: 'Error', message: 'm', cause: { name: 'E', message: '' }, errors: [{ name: 'F', message: '' }] }
  t.doesNotThrow(() =>
    unpackMessages([
      [0, 1, undefined, 5],
      [0, 1, '1', 0, 65],
      { type: 'stopped' },
      { type: 'stopped', error },
      { type: 'crashed', error: { ...error, code: 'QUEUE_FULL', facts: { retryAfterSeconds: 1 } } },
      { type: 'log', level: 'warn', message: 'm', fields: '{}', jobId: 'j' },
      { type: 'log', level: 'warn', message: 'm', dropped: 3 },
      { type: 'progress', slot: 0, sequence: 1, fraction: 1, note: 'n' },
      { type: 'failure', slot: 0, sequence: 1, ranUs: 0, failure: { kind: 'threw', error, retryable: false } },
      {
        type: 'failure',
        slot: 0,
        sequence: 1,
        ranUs: 0,
        failure: { kind: 'refused', issues: [{ pointer: '', message: '' }] },
      },
    ]),
  )
})

t.test('an error with endless causes is refused', async (t) => {
  const error: Record<string, unknown> = { name: 'Error', message: 'm' }
  error.cause = error
  t.throws(() => unpackMessages([{ type: 'crashed', error }]), { name: 'TypeError' })
})

t.test('messages of a process are checked too', async (t) => {
  const utilization = { idle: 1, active: 1, utilization: 0.5 }
  const ended = { type: 'report', beats: 0, heapUsedBytes: 0, utilization: { ...utilization, utilization: Number.NaN } }
  const report = { type: 'report', beats: 1, heapUsedBytes: 1, utilization }
  for (const right of [report, ended, { type: 'ended', exitCode: 0 }, { type: 'stack', stack: undefined }]) {
    t.doesNotThrow(() => checkProcessMessage(right))
  }
  const { beats: _beats, ...withoutBeats } = report
  for (const wrong of [null, 1, {}, withoutBeats, { ...report, utilization: null }, { type: 'error', error: null }]) {
    t.throws(() => checkProcessMessage(wrong), { name: 'TypeError' })
  }
})

t.test('an encoded value is JSON text, bytes or nothing', async (t) => {
  for (const right of ['1', new Uint8Array(1), undefined]) t.doesNotThrow(() => checkEncodedValue(right))
  for (const wrong of [null, 1, {}, []]) t.throws(() => checkEncodedValue(wrong), { name: 'TypeError' })
})
