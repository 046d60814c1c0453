/**
 * What a thread sends is bounded (P5). A thread that floods the control thread crashes, and the flood is the reason.
 */
import t from 'tap'
import { QueuedMethod } from '../../src/queue/queued-method.ts'
import { errorOf, isolation, reached, startedThread, testOnce, within } from '../helper.ts'

const FLOODS = [
  ['messages', 'messages'],
  ['messagesOverTurns', 'messages'],
  ['lines', 'log lines'],
  ['stdout', 'log lines'],
  ['line', 'log lines'],
] as const

// The thread itself detects a flood, by the same code in a process: there, one flood of each kind shows that the reason
// arrives.
for (const [method, what] of isolation === 'thread' ? FLOODS : FLOODS.slice(1, 3)) {
  t.test(`a flood of ${what} crashes the thread: ${method}`, async (t) => {
    const { thread } = await startedThread(t, 'floods')
    const error = await errorOf(thread.callThread(method, null))
    t.match(error, { code: 'THREAD_DIED', message: new RegExp(`flood of ${what}: more than \\d+ within \\d+ ms`) })
    await reached(thread, 'crashed')
    t.match(thread.crashReason?.message, new RegExp(`^flood of ${what}: `))
  })
}

const { thread, log } = await startedThread(t, 'floods')

testOnce(t, 'a message that a module posts on parentPort is dropped, with one warning in the log', async (t) => {
  await thread.callThread('post', null)
  t.equal(await thread.callThread('echo', 1), 1)
  t.match(await log.line('the module posts messages on parentPort: nothing reads them, they are dropped'), {
    level: 'warn',
  })
  t.equal(log.lines.length, 1)
})

testOnce(t, 'long lines are kept up to a mebibyte a second', async (t) => {
  await thread.callThread('long', null)
  await log.line(/were dropped/)
  const lines = log.lines.filter(({ fields }) => fields.long !== undefined)
  const chars = lines.reduce((sum, { fields, message }) => sum + message.length + (fields.long as string).length, 0)
  t.ok(chars > 1_000_000 && chars < 8_000_000, `${chars} characters`)
})

t.test('progress reported in every turn is passed on from time to time, and the last report always', async (t) => {
  const told: number[] = []
  const queued = new QueuedMethod({
    service: 'floods',
    method: 'progress',
    payload: null,
    kind: 'call',
    format: 'clone',
    job: { id: 'progress', attempt: 1 },
    bytes: 0,
    priority: 5,
    timeoutMs: 30_000,
    onProgress: (fraction) => told.push(fraction),
  })
  thread.methodQueue.enqueue(queued)
  await within(queued.promise, 'its end')
  t.equal(told.at(-1), 1)
  t.ok(told.length >= 2 && told.length < 10_000, `${told.length} of 20,000`)
})
