/** With few processors, the control thread runs first: the threads of services have a lower priority. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import t from 'tap'
import { ServiceWorker } from '../../src/threads/service-worker.ts'
import { WorkerProcess } from '../../src/threads/worker-process.ts'
import { startedThread } from '../helper.ts'

/** The nice values of a process's threads. */
function niceValues(pid = process.pid): number[] {
  return readdirSync(`/proc/${pid}/task`).map((id) => {
    const fields = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8').replace(/^.*\) /, '')
    return Number(fields.split(' ')[16])
  })
}

const skip = process.platform === 'linux' ? false : 'only Linux has priorities of threads'
t.test('the thread of a service has a lower priority than the control thread', { skip }, async (t) => {
  const own = getPriority(process.pid)
  t.notOk(niceValues().some((nice) => nice > own))
  await startedThread(t, 'chatty')
  t.equal(niceValues().filter((nice) => nice > own).length, 1)
  t.equal(getPriority(process.pid), own)
})

t.test('so have the process of a service, and its thread there', { skip }, async (t) => {
  await startedThread(t, 'chatty', { options: { isolation: 'process' } })
  const { pid } = [...ServiceWorker.alive].find((worker) => worker instanceof WorkerProcess) as WorkerProcess
  t.ok(getPriority(pid) > getPriority(process.pid))
  t.ok(niceValues(pid).filter((nice) => nice === getPriority(pid)).length > 1)
})
