/** The bundled service module `primes`. `THREADPLANE_SOAK` set: with the largest numbers. */
import t from 'tap'
import primes from '../../workers/primes.ts'
import { issuesOf, runMethod } from './run-method.ts'

const { count, factorize } = primes.methods

const SOAK = process.env.THREADPLANE_SOAK !== undefined

// From OEIS A006880; and small numbers, where the sieve has its special cases.
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
}

for (const [below, expected] of Object.entries(KNOWN)) {
  t.test(`there are ${expected} primes below ${below}`, async (t) => {
    t.same(await runMethod(count, { below: Number(below) }), { count: expected, below: Number(below) })
  })
}

t.test('the count is correct at the end of a segment', async (t) => {
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

t.test('there are 5761455 primes below 100000000; the progress grows to the end, in at most 100 steps', async (t) => {
  const fractions: number[] = []
  const result = await runMethod(count, { below: 1e8 }, { progress: (fraction) => fractions.push(fraction) })
  t.same(result, { count: 5_761_455, below: 1e8 })
  t.ok(fractions.length > 50 && fractions.length <= 100, `${fractions.length} times`)
  t.same(
    fractions,
    [...fractions].sort((a, b) => a - b),
  )
  t.ok((fractions.at(-1) ?? 0) > 0.98)
})

t.test('an abort ends the method with its reason', async (t) => {
  const reason = new Error('cancelled by the test')
  for (const run of [
    (signal: AbortSignal): Promise<unknown> => runMethod(count, { below: 1e10 }, { signal }),
    (signal: AbortSignal): Promise<unknown> => runMethod(factorize, { n: 9_007_199_254_740_881 }, { signal }),
  ]) {
    const controller = new AbortController()
    const work = run(controller.signal)
    // The timer fires only if the method returns to the event loop.
    setTimeout(() => controller.abort(reason), 20)
    await t.rejects(work, reason)
  }
})

t.test('numbers are factorised into primes', async (t) => {
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
  // Primes: trial division tries all divisors up to the square root. The larger is the largest below 2 ** 53.
  const prime = SOAK ? 9_007_199_254_740_881 : 1_000_000_000_039
  t.same(await factorsOf(prime), [[prime, 1]])
})

t.test('a value that is not a whole number within the range is refused', async (t) => {
  for (const below of [-1, 1.5, 1e10 + 1, '10', null]) t.match(issuesOf(count, { below }), [{ path: 'below' }])
  for (const n of [0, 2 ** 53, 0.5]) t.match(issuesOf(factorize, { n }), [{ path: 'n' }])
})
