/** What a thread writes arrives line by line in the log, bounded (P5). Nothing that it writes can hurt the thread. */
import t from 'tap'
import { startedThread, testOnce } from '../helper.ts'

const { thread, log } = await startedThread(t, 'chatty')

t.test('logger, console and stdout of a thread are lines of the log, with the name of the service', async (t) => {
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

t.test('odd fields and messages are written as far as possible, and throw nothing', async (t) => {
  await thread.callThread('odd', null)
  await log.line('the end')
  for (const message of ['a cycle', 'a bigint', '42', 'null', 'not a number', 'false', 'a function'])
    t.ok(log.messages.includes(message), message)
})

t.test('a long line is cut', async (t) => {
  await thread.callThread('long', null)
  const { message } = await log.line(/^xxx/)
  t.ok(message.length < 10_000)
  t.match(message, /1000000 characters/)
})

t.test('characters may be cut between two writes, and a method leaves no half line to the next one', async (t) => {
  await thread.callThread('cut', null)
  await thread.callThread('cut', null)
  const at = log.messages.indexOf('Grüße')
  const one = ['Grüße', 'Grüße', 'no line break']
  t.same(log.messages.slice(at, at + 6), [...one, ...one])
})

t.test('console.trace says who called', async (t) => {
  await thread.callThread('trace', null)
  const { level, message } = await log.line(/^Trace/)
  t.equal(level, 'warn')
  t.match(message, /^Trace: who calls\n +at .*chatty\.js/)
})

t.test('fields of a module do not replace those of the line', async (t) => {
  await thread.callThread('ownFields', null)
  const { level, fields } = await log.line('own fields')
  t.equal(level, 'info')
  t.match(fields, { service: 'chatty', jobId: /^[0-9a-f-]{36}$/, answer: 42 })
  t.strictSame(Object.keys(fields).toSorted(), ['answer', 'attempt', 'fields', 'jobId', 'method', 'service', 'thread'])
  t.match(fields.fields, { level: 60, time: 0, pid: 1, hostname: 'h', name: 'Ada', msg: 'm', service: 's', jobId: 'j' })
})

testOnce(t, 'what was written without a line break before an exit is in the log', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await t.rejects(thread.callThread('leaves', null))
  await log.line('last words')
})

// The next two tests have threads of their own: after a flood, a thread drops lines until the second is over.

testOnce(t, 'a flood of lines is cut to a thousand a second, and a line says how many were dropped', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  await thread.callThread('flood', null)
  await log.line(/were dropped/)
  const lines = log.messages.filter((message) => /^line \d+$/.test(message)).length
  t.ok(lines >= 1_000 && lines < 20_000, `${lines} lines`)
  t.equal(thread.state, 'running')
})

testOnce(t, 'lines that come at once are written in their order, a few at a time', async (t) => {
  const { thread, log } = await startedThread(t, 'chatty')
  const done = thread.callThread('toTheEnd', null)
  await log.line('line 0')
  t.ok(log.lines.length < 20, `${log.lines.length} lines before anything else had a turn`)
  await done
  await log.line('line 999')
  t.same(
    log.messages.slice(0, 1_000),
    Array.from({ length: 1_000 }, (_, at) => `line ${at}`),
  )
  const { message } = await log.line(/were dropped/)
  const told = /^\d+ log lines were dropped: at most 1000 a second are kept, of 1048576 characters$/
  t.match(message, told, 'also as no line follows')
})
