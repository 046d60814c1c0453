/** A service cannot end its server by a signal. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { isolation, startedThread } from '../helper.ts'

const { thread } = await startedThread(t, 'signals')
const WAYS = ['import', 'process'] as const
const send = (by: (typeof WAYS)[number], pid: number | string, signal?: number | string) =>
  thread.callThread('send', { by, pid, signal })
const refused = { code: 'EPERM', message: /a service may not send signals to the processes of its server/ }

for (const by of WAYS) {
  t.test(`signals to the server, to its group and to all processes are refused, by ${by}`, async (t) => {
    for (const pid of [process.pid, String(process.pid), -process.pid, -1]) {
      for (const signal of [undefined, 'SIGTERM', 'SIGUSR1', 9]) t.match(await send(by, pid, signal), refused)
    }
    t.equal(await send(by, process.pid, 0), 'sent', 'it may ask whether a process exists')
    const { own, parent } = (await thread.callThread('pids', null)) as { own: number; parent: number }
    if (isolation === 'thread') t.match(await send(by, 0, 'SIGTERM'), refused, 'its own group is that of the server')
    else {
      t.equal(parent, process.pid)
      t.not(own, process.pid)
    }
  })

  t.test(`signals to any other process are sent, by ${by}`, async (t) => {
    const child = spawn('sleep', ['60'])
    const ended = once(child, 'exit')
    t.equal(await send(by, child.pid as number, 'SIGTERM'), 'sent')
    t.same(await ended, [null, 'SIGTERM'])
  })
}
