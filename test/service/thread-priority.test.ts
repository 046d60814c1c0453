/** Where processors are few, the control thread goes before what it controls. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import t from 'tap'
import { startedThread } from '../helper.ts'

/** The nice values of the process's threads. */
function niceValues(): number[] {
  return readdirSync('/proc/self/task').map((id) => {
    const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8').replace(/^.*\) /, '')
    return Number(fields.split(' ')[16])
  })
}

const skip = process.platform === 'linux' ? false : 'only Linux has priorities of threads'
t.test('the thread of a service gives way to the control thread', { skip }, async (t) => {
  const own = getPriority(process.pid)
  t.notOk(niceValues().some((nice) => nice > own))
  await startedThread(t, 'chatty')
  t.equal(niceValues().filter((nice) => nice > own).length, 1)
  t.equal(getPriority(process.pid), own)
})
