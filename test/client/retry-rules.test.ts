/** When a request is sent again: the whole table, without a server. */
import t from 'tap'
import { type Outcome, requestKind, retryAfterMs, retryDelayMs } from '../../src/client/retry-rules.ts'

const CALL = requestKind('POST', '/v1/services/a/call/b', false)
const IDEMPOTENT_CALL = requestKind('POST', '/v1/services/a/call/b', true)
const CAST = requestKind('POST', '/v1/services/a/cast/b', true)
const CAST_WITHOUT_KEY = requestKind('POST', '/v1/services/a/cast/b', false)
const GET = requestKind('GET', '/v1/services/a', false)
const LIFECYCLE = requestKind('POST', '/v1/services/a/restart', false)
const CRASH = requestKind('POST', '/v1/services/a/crash', false)
const KINDS = { CALL, IDEMPOTENT_CALL, CAST, CAST_WITHOUT_KEY, GET, LIFECYCLE, CRASH }
type Kind = keyof typeof KINDS
const ALL = Object.keys(KINDS) as Kind[]
const REPEATABLE: Kind[] = ['IDEMPOTENT_CALL', 'CAST', 'GET', 'LIFECYCLE']

const answer = (status: number, more: object = {}): Outcome => ({ kind: 'answer', status, ...more })
const OTHERS = ALL.filter((kind) => !['CALL', 'IDEMPOTENT_CALL', 'CAST_WITHOUT_KEY', 'CRASH'].includes(kind))
const CALLS: Kind[] = ['CALL', 'IDEMPOTENT_CALL']

const rows: [title: string, outcome: Outcome, sentAgain: Kind[]][] = [
  ['refused connection', { kind: 'refused' }, ALL],
  ['lost connection', { kind: 'lost' }, REPEATABLE],
  ['429', answer(429, { retryAfterMs: 1_000 }), ALL],
  ['429 that the method calls final', answer(429, { retryable: false, retryAfterMs: 1_000 }), []],
  ['503', answer(503, { retryAfterMs: 60_000 }), ALL],
  ['503 for longer than a minute', answer(503, { retryAfterMs: 60_001 }), []],
  ['503 after the method had begun', answer(503, { started: true }), ALL.filter((kind) => kind !== 'CALL')],
  ...[408, 502, 504].flatMap((status): typeof rows => [
    [`${status}`, answer(status), OTHERS],
    [`${status} after the method had begun`, answer(status, { started: true }), OTHERS],
    [`${status} before the method had begun`, answer(status, { started: false }), [...CALLS, ...OTHERS]],
  ]),
  ...[400, 401, 404, 409, 413, 422, 500].map((status): (typeof rows)[number] => [
    `${status}`,
    answer(status, { started: false, retryable: true, retryAfterMs: 0 }),
    [],
  ]),
]

for (const [title, outcome, sentAgain] of rows) {
  t.test(`${title}: sent again are ${sentAgain.join(', ') || 'none'}`, async (t) => {
    const again = ALL.filter((kind) => retryDelayMs(outcome, KINDS[kind], 0, 0.5) !== undefined)
    t.strictSame(again.sort(), sentAgain.toSorted())
  })
}

t.test('the delay doubles from 200 ms to 5 s, times a random part; Retry-After is kept to', async (t) => {
  const delays = (random: number) =>
    [0, 1, 2, 3, 4, 5, 20].map((retries) => retryDelayMs({ kind: 'refused' }, GET, retries, random))
  t.strictSame(delays(1), [200, 400, 800, 1_600, 3_200, 5_000, 5_000])
  t.strictSame(delays(0.5), [100, 200, 400, 800, 1_600, 2_500, 2_500])
  t.strictSame(delays(0), [0, 0, 0, 0, 0, 0, 0])
  t.equal(retryDelayMs(answer(503, { retryAfterMs: 7_000 }), CALL, 0, 0.5), 7_000)
  t.equal(retryDelayMs(answer(503), CALL, 0, 0.5), 100)
})

t.test('Retry-After has seconds or a date', async (t) => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  t.equal(retryAfterMs('7', now), 7_000)
  t.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000)
  t.equal(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now), 0)
  t.equal(retryAfterMs('soon', now), undefined)
  t.equal(retryAfterMs(null, now), undefined)
})
