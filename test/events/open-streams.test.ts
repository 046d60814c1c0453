/** Many open streams are written to in parts, so that other requests are served in between; each gets all that is its. */
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { OpenStreams } from '../../src/events/open-streams.ts'

t.test('a hundred streams take several turns of the event loop, and each keeps its order', async (t) => {
  const open = new OpenStreams()
  const targets = Array.from({ length: 100 }, () => new PassThrough())
  for (const target of targets) open.add(target, { token: undefined, isAllowed: () => true }, '\n')
  for (const text of ['1', '2', '3']) for (const target of targets) open.write(target, text)
  const written = () => targets.filter(({ readableLength }) => readableLength === 3).length

  let turns = 0
  for (; written() < targets.length && turns < 1_000; turns += 1) await nextTurn()
  t.ok(turns > 5, `${turns} turns`)
  t.ok(turns < 50, 'few enough')
  t.ok(targets.every((target) => String(target.read()) === '123'))
  open.close()
})

t.test('a stream gets its unwritten bytes before it is ended', async (t) => {
  const open = new OpenStreams()
  const [ended, closed] = [new PassThrough(), new PassThrough()]
  for (const target of [ended, closed]) open.add(target, { token: undefined, isAllowed: () => true }, '\n')
  for (const target of [ended, closed]) open.write(target, 'last words')
  open.end(ended)
  t.equal(String(ended.read()), 'last words')
  t.ok(ended.writableEnded)
  t.equal(closed.read(), null, 'the other one still waits')
  open.close()
  t.equal(String(closed.read()), 'last words')
  t.ok(closed.writableEnded)
})
