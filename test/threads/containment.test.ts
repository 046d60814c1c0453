/** Out of memory and native crashes with `isolation: 'process'`: they cost their own service, and nothing else (P4). */
import t from 'tap'
import { OneForOneSupervisor } from '../../src/supervision/supervisor.ts'
import { errorOf, queueThread, within } from '../helper.ts'

const policy = { maxRestarts: 100, periodMs: 60_000, backoffMs: 1, backoffMaxMs: 1 }
const outOfMemory = { code: 'ERR_WORKER_OUT_OF_MEMORY' }
/** Little more than a process takes for itself, so that it is soon used up. */
const limits = { maxOldGenerationSizeMb: 32, maxRssMb: 220 }

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

const supervisor = new OneForOneSupervisor({ name: 'supervisor', policy })
const { thread } = queueThread(t, 'exhausts', { options: { isolation: 'process', numWorkers: 1, limits } })
supervisor.add(thread)
t.teardown(() => supervisor.stop())
await supervisor.start()

for (const [index, [method, cause]] of Object.entries(deaths).entries()) {
  t.test(`${method}: the call is THREAD_DIED, and the service comes back`, async (t) => {
    const died = errorOf(thread.callThread(method, null))
    const waiting = thread.callThread('echo', 'after')
    t.match(await died, { code: 'THREAD_DIED', facts: { started: true }, cause })
    t.equal(await within(waiting, 'the call that had not begun'), 'after')
    t.equal(thread.restartCount, index + 1)
  })
}
