/** A module posts messages of its own to the control thread: a wrong one ends its own thread, and nothing else (P4). */
import t from 'tap'
import { MEANINGLESS } from '../http-fixtures/forges.ts'
import { isProblem, serve } from '../http-helper.ts'

const server = await serve(t, { services: { forges: 'forges', apart: 'forges', echo: 'echo' } })
await server.put('apart', { module: 'forges.js', isolation: 'process' })

/** Each costs a thread. `test/protocol/check-messages.test.ts` tries all forms. */
const SOME = ['null', 'text', 'an error of a process', 'a list of null', 'a log line of an unknown level']
const names = [...SOME, 'an end of a process', 'a tuple with a far slot', 'a crash without an error']

for (const service of ['forges', 'apart']) {
  t.test(`a forged message ends the thread that posted it: ${service}`, async (t) => {
    for (const name of service === 'forges' ? names : SOME) {
      isProblem(t, await server.call(service, 'post', { name }), 'THREAD_DIED', { detail: /it posted / })
      t.match(await server.call(service, 'echo', name), { status: 200, json: name })
    }
  })

  t.test(`a message that means nothing is ignored: ${service}`, async (t) => {
    const before = await server.status(service)
    for (const name of Object.keys(MEANINGLESS)) {
      t.match(await server.call(service, 'post', { name }), { status: 200 }, name)
    }
    const after = await server.status(service)
    t.equal(after.restartCount, before.restartCount)
    t.strictSame(after.methods, before.methods)
  })

  t.test(`a result that is not JSON text is not sent to the client: ${service}`, async (t) => {
    isProblem(t, await server.call(service, 'answer'), 'THREAD_DIED', { detail: /neither JSON text nor bytes/ })
  })
}

t.test('another service has noticed nothing', async (t) => {
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
  t.match(await server.status('echo'), { restartCount: 0 })
})
