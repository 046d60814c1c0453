import t from 'tap'
import primes from '../../workers/primes.ts'
import { issuesOf, runMethod } from './run-method.ts'

const { count, factorize } = primes.methods

// OEIS A006880, and the edges of small numbers and segments.
const KNOWN = {
  0: 0,
  1: 0,
  2: 0,
  3: 1,
  4: 2,
  5: 2,
  6: 3,
  9: 4,
  10: 4,
  11: 4,
  12: 5,
  25: 9,
  26: 9,
  1e6: 78_498,
  1e8: 5_761_455,
}

for (const [below, expected] of Object.entries(KNOWN)) {
  t.test(`there are ${expected} primes below ${below}`, async (t) => {
    t.same(await runMethod(count, { below: Number(below) }), { count: expected, below: Number(below) })
  })
}

t.test('the count is right around the ends of segments', async (t) => {
  const isPrime = (n: number) => {
    for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
    return n > 1
  }
  let expected = (await runMethod(count, { below: 2 ** 19 - 20 })).count
  for (let below = 2 ** 19 - 20; below < 2 ** 19 + 20; below++) {
    t.equal((await runMethod(count, { below })).count, expected, `below ${below}`)
    if (isPrime(below)) expected++
  }
})

t.test('progress grows to the end, in a hundred steps at most', async (t) => {
  const told: number[] = []
  await runMethod(count, { below: 1e8 }, { progress: (fraction) => told.push(fraction) })
  t.ok(told.length > 50 && told.length <= 100, `${told.length} times`)
  t.same(
    told,
    [...told].sort((a, b) => a - b),
  )
  t.ok((told.at(-1) ?? 0) > 0.98)
})

t.test('an abort ends the work with its reason', async (t) => {
  const reason = new Error('cancelled by the test')
  for (const run of [
    (signal: AbortSignal): Promise<unknown> => runMethod(count, { below: 1e10 }, { signal }),
    (signal: AbortSignal): Promise<unknown> => runMethod(factorize, { n: 9_007_199_254_740_881 }, { signal }),
  ]) {
    const controller = new AbortController()
    const work = run(controller.signal)
    // Arrives only if the work lets the event loop turn.
    setTimeout(() => controller.abort(reason), 20)
    await t.rejects(work, reason)
  }
})

t.test('numbers are taken apart into their primes', async (t) => {
  const factorsOf = async (n: number) =>
    (await runMethod(factorize, { n })).factors.map(({ prime, exponent }) => [prime, exponent])
  t.same(await factorsOf(1), [])
  t.same(await factorsOf(2), [[2, 1]])
  t.same(await factorsOf(49), [[7, 2]])
  t.same(await factorsOf(360), [
    [2, 3],
    [3, 2],
    [5, 1],
  ])
  t.same(await factorsOf(Number.MAX_SAFE_INTEGER), [
    [6_361, 1],
    [69_431, 1],
    [20_394_401, 1],
  ])
  t.same(await factorsOf(9_007_199_254_740_881), [[9_007_199_254_740_881, 1]])
})

t.test('what is no whole number in range is refused', async (t) => {
  for (const below of [-1, 1.5, 1e10 + 1, '10', null]) t.match(issuesOf(count, { below }), [{ path: 'below' }])
  for (const n of [0, 2 ** 53, 0.5]) t.match(issuesOf(factorize, { n }), [{ path: 'n' }])
})
