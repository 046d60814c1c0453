/** P4: out of memory and native crashes are contained with `isolation: 'process'`: they cost their own service alone. */
import t from 'tap'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { errorOf, queueThread, within } from '../helper.ts'

const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 10, backoffMaxMs: 20 }
const outOfMemory = { code: 'ERR_WORKER_OUT_OF_MEMORY' }
const limits = { maxOldGenerationSizeMb: 64, maxRssMb: 400 }

const deaths = {
  objects: outOfMemory,
  strings: outOfMemory,
  arrays: outOfMemory,
  map: outOfMemory,
  closures: outOfMemory,
  buffers: outOfMemory,
  typedArrays: outOfMemory,
  wasm: outOfMemory,
  segfault: { message: 'the process of exhausts was ended by SIGSEGV' },
  abort: { message: 'the process of exhausts was ended by SIGABRT' },
  killed: { message: 'the process of exhausts was ended by SIGKILL' },
}

for (const [method, cause] of Object.entries(deaths)) {
  t.test(`${method}: the call is THREAD_DIED, and the service comes back`, async (t) => {
    const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
    const { thread } = queueThread(t, 'exhausts', { options: { isolation: 'process', numWorkers: 1, limits } })
    supervisor.add(thread)
    t.teardown(() => supervisor.stop())
    await supervisor.start()
    const died = errorOf(thread.callThread(method, null))
    const waiting = thread.callThread('echo', 'after')
    t.match(await died, { code: 'THREAD_DIED', facts: { started: true }, cause })
    t.equal(await within(waiting, 'the call that had not begun'), 'after')
    t.equal(thread.restartCount, 1)
  })
}
