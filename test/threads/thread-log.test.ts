/** What a thread writes arrives line by line in the log, bounded (P5), and nothing it writes can hurt it. */
import t from 'tap'
import { startedThread } from '../helper.ts'

t.test('logger, console and stdout of a thread are lines of the log, with the name of the service', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('ways', null)
  await log.line('and the next')
  t.match(
    log.lines.map(({ level, message }) => `${level} ${message}`),
    [
      'warn with fields',
      'error with an error',
      'info from console.log',
      'error from console.error',
      'info one line',
      'info and the next',
    ],
  )
  t.match(log.lines[0]?.fields, { answer: 42, service: 'chatty' })
  t.match(log.lines[0]?.fields.jobId, /^[0-9a-f-]{36}$/)
  t.match(log.lines[1]?.fields.err, { name: 'TypeError', message: 'told' })
})

t.test('odd fields and messages are written as well as they can be, and throw nothing', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('odd', null)
  await log.line('the end')
  for (const message of ['a cycle', 'a bigint', '42', 'null', 'not a number', 'false', 'a function'])
    t.ok(log.messages.includes(message), message)
})

t.test('a flood of lines is cut to a thousand a second, and says how many were dropped', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('flood', null)
  await log.line(/were dropped/)
  const lines = log.messages.filter((message) => /^line \d+$/.test(message)).length
  t.ok(lines >= 1_000 && lines < 20_000, `${lines} lines`)
  t.equal(thread.state, 'running')
})

t.test('lines that come at once are written in their order, a few at a time', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  const done = thread.callThread('toTheEnd', null)
  await log.line('line 0')
  t.ok(log.lines.length < 20, `${log.lines.length} lines before anybody else had a turn`)
  await done
  await log.line('line 999')
  t.same(
    log.messages.slice(0, 1_000),
    Array.from({ length: 1_000 }, (_, at) => `line ${at}`),
  )
})

t.test('how many were dropped is said also where no line follows', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('toTheEnd', null)
  const { message } = await log.line(/were dropped/)
  t.match(message, /^\d+ log lines were dropped: at most 1000 a second are kept, of 1048576 characters$/)
})

t.test('a long line is cut', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('long', null)
  const line = log.messages.find((message) => message.startsWith('xxx'))
  t.ok(line !== undefined && line.length < 10_000)
  t.match(line, /1000000 characters/)
})
