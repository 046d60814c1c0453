/** The sweep that enforces the `timeoutMs` of methods in a thread. */
import t from 'tap'
import { OverdueSweep } from '../../src/queue/overdue-sweep.ts'
import type { QueuedMethod } from '../../src/queue/queued-method.ts'

t.test('all methods past their deadline are aborted before any of them costs the thread', async (t) => {
  const steps: string[] = []
  const method = (name: string): QueuedMethod =>
    ({ service: 's', method: name, timeoutMs: 1, begunAt: 0, abort: () => steps.push(`abort ${name}`) }) as never
  const running = [method('first'), method('second')]
  await new Promise<void>((resolve) => {
    const sweep = new OverdueSweep(
      { load: 2, running },
      {
        cancelGraceMs: () => 0,
        onOverdue: (method) => {
          steps.push(`overdue ${method.method}`)
          sweep.stop()
          resolve()
        },
        beginWithinMs: () => Infinity,
        onNothingBegun: () => {},
      },
    )
    sweep.start()
  })
  t.strictSame(steps, ['abort first', 'abort second', 'overdue first', 'overdue second'])
})
