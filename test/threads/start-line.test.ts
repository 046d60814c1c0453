/** Threads start a few at a time. */
import t, { type Test } from 'tap'
import { StartLine, startLine, STARTS_AT_A_TIME } from '../../src/threads/start-line.ts'
import { queueThread, shorten, within } from '../helper.ts'

const { signal: never } = new AbortController()

/** Takes all turns of the process. Returns what ends them. */
async function takeAllTurns(t: Test): Promise<() => void> {
  shorten(t, { startTurnMs: 60_000 })
  const turns = await Promise.all(Array.from({ length: STARTS_AT_A_TIME }, () => startLine.turn('other', never)))
  const endAll = () => {
    for (const end of turns) end()
  }
  t.teardown(endAll)
  return endAll
}

t.test('starts have their turns in the order in which they came, and no more at a time than allowed', async (t) => {
  shorten(t, { startTurnMs: 60_000 })
  const line = new StartLine(2)
  const begun: number[] = []
  const turns = [0, 1, 2, 3].map(async (n) => {
    const end = await line.turn('service', never)
    begun.push(n)
    return end
  })
  const [endFirst] = await Promise.all(turns.slice(0, 2))
  t.strictSame([begun, line.length], [[0, 1], 2])
  endFirst?.()
  endFirst?.()
  const endThird = await turns[2]
  t.strictSame([begun, line.length], [[0, 1, 2], 1], 'a turn ends once')
  endThird?.()
  await turns[3]
  t.strictSame(begun, [0, 1, 2, 3])
})

t.test('a start that waits for something gives its turn to the next one', async (t) => {
  shorten(t, { startTurnMs: 20 })
  const line = new StartLine(1)
  await line.turn('hangs', never)
  const next = await within(line.turn('next', never), 'the turn of the next start')
  next()
})

t.test('a start whose service is stopped leaves the line', async (t) => {
  shorten(t, { startTurnMs: 60_000 })
  const line = new StartLine(1)
  const end = await line.turn('first', never)
  const stopped = new AbortController()
  const waits = line.turn('second', stopped.signal)
  stopped.abort()
  await t.rejects(waits, { code: 'CONFLICT', message: 'second was stopped while it started' })
  t.equal(line.length, 0)
  end()
  await t.rejects(line.turn('third', stopped.signal), { code: 'CONFLICT' })
  const last = await within(line.turn('last', never), 'a turn')
  last()
})

t.test('startTimeoutMs counts from the turn', async (t) => {
  const endTurns = await takeAllTurns(t)
  const { thread } = queueThread(t, 'throws', { options: { startTimeoutMs: 5_000 } })
  const started = thread.start()
  t.equal(thread.state, 'starting')
  // More than the start may take.
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(startLine.length, 1)
  endTurns()
  await started
  t.equal(thread.state, 'running')
})

t.test('a thread that is stopped while its start waits for its turn does not start', async (t) => {
  await takeAllTurns(t)
  const { thread } = queueThread(t, 'throws')
  const started = thread.start()
  const refused = t.rejects(started, { code: 'CONFLICT' })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(startLine.length, 1)
  await within(thread.stop(), 'the stop')
  await refused
  t.equal(startLine.length, 0)
  t.equal(thread.state, 'stopped')
})
