/** The output of a service's process that does not come from its JavaScript: bounded, whatever it is (P5). */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { NativeOutput } from '../../src/threads/native-output.ts'
import { within } from '../helper.ts'

t.test('a stream that writes more than a mebibyte a second is paused', async (t) => {
  const lines: string[] = []
  const stream = new PassThrough()
  new NativeOutput([stream], (line) => lines.push(line))
  const paused = once(stream, 'pause')
  for (let written = 0; written <= 1024 * 1024; written += 64 * 1024) stream.write('line of sixteen\n'.repeat(4_096))
  await within(paused, 'the pause')
  await within(once(stream, 'resume'), 'its end')
  stream.end('the end')
  await within(once(stream, 'end'), 'the end')
  t.ok(lines.length < 1_000)
  const dropped = lines.map((line) => Number(/^(\d+) lines were dropped/.exec(line)?.[1] ?? 0))
  const written = lines.filter((line) => line === 'line of sixteen' || line === 'the end').length
  t.equal(written + dropped.reduce((sum, count) => sum + count), 17 * 4_096 + 1, 'each line is written, or counted')
})
