/** Which errors have the same key. */
import t from 'tap'
import { errorKeyOf } from '../../src/jobs/error-key.ts'
import type { JobError } from '../../src/jobs/job.ts'

const thrown = (name: string, message: string): JobError => ({
  code: 'METHOD_FAILED',
  message: `${name}: ${message}`,
  cause: { name, message },
})

t.test('numbers and ids of a message do not count for its key; code, name and words do', async (t) => {
  const same = [
    'no user 4711 in eu-1 after 2.5 s',
    'no user 4712 in eu-12 after 0.25 s',
    'no user 019ab3de-0000-7000-8000-00000000000f in eu-1 after 3 s',
  ]
  t.equal(new Set(same.map((message) => errorKeyOf(thrown('Error', message)))).size, 1)
  const others = [
    thrown('Error', 'no user'),
    thrown('RangeError', 'no user'),
    { ...thrown('Error', 'no user'), code: 'RESULT_INVALID' },
    thrown('Error', 'no group'),
    { code: 'METHOD_REFUSED', reason: 'NO_USER', message: 'no user' },
  ]
  t.equal(new Set(others.map(errorKeyOf)).size, others.length)
  t.match(errorKeyOf(thrown('Error', 'no such mailbox')), /^[\da-f]{16}$/)
  errorKeyOf(thrown('Error', 'x'.repeat(16_384)))
})
