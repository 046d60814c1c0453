/**
 * Counts primes, and finds prime factors: work that would block an event loop for seconds, divided into slices.
 *
 * Between two slices the event loop runs: other methods make progress, the heartbeat beats, and an abort can arrive.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

/** Odd numbers in a segment of the sieve. Each takes one byte, so a segment fits into the processor's cache. */
const SEGMENT = 2 ** 18

/** Divisors that are tried in one slice. */
const DIVISORS = 2 ** 16

/** The odd primes up to a limit, by a simple sieve. */
function oddPrimes(limit: number): number[] {
  const composite = new Uint8Array(limit + 1)
  const primes: number[] = []
  for (let n = 3; n <= limit; n += 2) {
    if (composite[n] === 1) continue
    primes.push(n)
    for (let multiple = n * n; multiple <= limit; multiple += 2 * n) composite[multiple] = 1
  }
  return primes
}

/**
 * Counts the primes below a number above 2, by a segmented sieve of odd numbers. Yields the count after each segment.
 */
function* countPrimes(below: number): Generator<{ count: number; fraction: number }> {
  const primes = oddPrimes(Math.floor(Math.sqrt(below)))
  // Index i is the number first + 2i. For each prime: the index of its next multiple, beginning with its
  // square.
  const next = Float64Array.from(primes, (prime) => (prime * prime - 1) / 2)
  const composite = new Uint8Array(SEGMENT)
  // The sieve does not cross out 1, which is counted instead of 2.
  let count = 0
  for (let first = 1; first < below; first += 2 * SEGMENT) {
    const size = Math.min(SEGMENT, Math.ceil((below - first) / 2))
    composite.fill(0)
    for (const [index, prime] of primes.entries()) {
      let multiple = next[index] as number
      for (; multiple < size; multiple += prime) composite[multiple] = 1
      next[index] = multiple - SEGMENT
    }
    for (let i = 0; i < size; i++) count += 1 - (composite[i] as number)
    yield { count, fraction: Math.min(1, (first + 2 * size) / below) }
  }
}

const factor = z.object({ prime: z.int(), exponent: z.int() })

/** Finds the prime factors of a number by trial division. Yields after each slice, and returns the factors. */
function* findFactors(n: number): Generator<undefined, z.infer<typeof factor>[]> {
  const factors: z.infer<typeof factor>[] = []
  let rest = n
  let tried = 0
  for (let divisor = 2; divisor * divisor <= rest; divisor += divisor === 2 ? 1 : 2) {
    let exponent = 0
    for (; rest % divisor === 0; rest /= divisor) exponent++
    if (exponent > 0) factors.push({ prime: divisor, exponent })
    if (++tried % DIVISORS === 0) yield
  }
  if (rest > 1) factors.push({ prime: rest, exponent: 1 })
  return factors
}

export default defineService({
  description: 'Counts primes, and factorises',
  methods: {
    count: method({
      description: 'How many primes there are below a number',
      input: z.object({
        below: z
          .int()
          .min(0)
          .max(1e10)
          .meta({ examples: [1_000_000] }),
      }),
      output: z.object({ count: z.int(), below: z.int() }),
      timeoutMs: 60_000,
      handler: async ({ below }, { signal, progress }) => {
        if (below <= 2) return { count: 0, below }
        let count = 0
        let reported = 0
        for (const slice of countPrimes(below)) {
          count = slice.count
          if (slice.fraction - reported >= 0.01) {
            reported = slice.fraction
            progress(reported)
          }
          await nextTurn()
          signal.throwIfAborted()
        }
        return { count, below }
      },
    }),

    factorize: method({
      description: 'The prime factors of a number, ascending, with their exponents',
      input: z.object({
        n: z
          .int()
          .min(1)
          .max(Number.MAX_SAFE_INTEGER)
          .meta({ examples: [600_851_475_143] }),
      }),
      output: z.object({ n: z.int(), factors: z.array(factor) }),
      handler: async ({ n }, { signal }) => {
        const search = findFactors(n)
        for (;;) {
          const slice = search.next()
          if (slice.done === true) return { n, factors: slice.value }
          await nextTurn()
          signal.throwIfAborted()
        }
      },
    }),
  },
})
