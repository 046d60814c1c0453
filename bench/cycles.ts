/** Checks that 1,000 starts and stops of a service leave no thread, handle or memory behind. */
import { parseArgs } from 'node:util'
import { QueueServiceThread } from '../src/threads/queue-service-thread.ts'
import { leavesNothing } from './left-behind.ts'
import type adder from './workers/adder.ts'

const WARM_UP = 200

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { cycles: { type: 'string', default: '1000' } },
})
const cycles = Number(values.cycles)

const service = new QueueServiceThread<typeof adder>({
  name: 'adder',
  module: new URL('./workers/adder.js', import.meta.url),
})

async function cycle(): Promise<void> {
  await service.start()
  const { sum } = await service.callThread('add', { a: 2, b: 3 })
  if (sum !== 5) throw new Error(`2 + 3 is ${sum}`)
  await service.stop()
}

// Before the first count: where the output is a pipe, the first write opens a handle.
console.log(`${cycles} starts and stops; the first ${WARM_UP} are the warm-up`)
await leavesNothing(cycle, cycles, WARM_UP)
