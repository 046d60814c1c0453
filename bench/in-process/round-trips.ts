/** Measures the round trips of one caller, in a process of its own, each time the parent asks for it. */
import type { Add } from '../pools/pools.ts'
import { CALLERS } from './callers.ts'

export interface RoundTripsOrder {
  inFlight: number
  ms: number
}

export interface RoundTrips {
  trips: number
  seconds: number
  medianUs: number
  p99Us: number
}

const [name = ''] = process.argv.slice(2)
const add = await CALLERS[name]?.open()
if (add === undefined) throw new Error(`there is no caller ${name}`)
process.on('message', (order: RoundTripsOrder) => {
  void measure(add, order).then((measured) => process.send?.(measured))
})
process.once('disconnect', () => process.exit())
process.send?.('ready')

async function measure(add: Add, { inFlight, ms }: RoundTripsOrder): Promise<RoundTrips> {
  const took: number[] = []
  const since = performance.now()
  const caller = async (a: number) => {
    for (let before = since; before - since < ms; ) {
      const b = took.length
      const { sum } = await add({ a, b })
      if (sum !== a + b) throw new Error(`${a} + ${b} is ${sum}`)
      const now = performance.now()
      took.push(now - before)
      before = now
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, index) => caller(index)))
  const seconds = (performance.now() - since) / 1_000
  took.sort((a, b) => a - b)
  const at = (share: number) => (took[Math.floor(took.length * share)] as number) * 1_000
  return { trips: took.length, seconds, medianUs: at(0.5), p99Us: at(0.99) }
}
