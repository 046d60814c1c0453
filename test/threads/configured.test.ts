/** The configuration that a thread is given, and the environment that it sees. */
import t, { type Test } from 'tap'
import type { ServiceThreadOptions } from '../../src/threads/service-thread-options.ts'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'
import type configured from '../fixtures/configured.ts'
import { errorOf, RecordingLog } from '../helper.ts'

const module = new URL('../fixtures/configured.js', import.meta.url)

function threadOf(t: Test, options: ServiceThreadOptions['options'] & {}) {
  const thread = new QueueServiceThread<typeof configured>({
    name: 'configured',
    module,
    options,
    log: new RecordingLog().log,
  })
  t.teardown(() => thread.stop())
  return thread
}

t.test('handlers and hooks get the config as the schema of the module has parsed it', async (t) => {
  const thread = threadOf(t, { config: { greeting: 'Hello', unknown: 1 } })
  await thread.start()
  t.equal(await thread.callThread('greet', { name: 'Ada' }), 'Hello, Ada!')
  t.match(thread.description?.config, {
    type: 'object',
    properties: { greeting: { type: 'string', minLength: 1 }, marks: { type: 'object' } },
    required: ['greeting'],
  })
})

t.test('a config that is refused fails the start, and names each key', async (t) => {
  for (const [config, errors] of [
    [undefined, [{ pointer: '/config/greeting' }]],
    [{ greeting: 5, marks: { count: 'x' } }, [{ pointer: '/config/greeting' }, { pointer: '/config/marks/count' }]],
  ] as const) {
    const error = await errorOf(threadOf(t, config === undefined ? {} : { config }).start())
    t.match(error, { code: 'VALIDATION_FAILED', message: /^the config of configured was refused: config\.greeting: / })
    t.match(error, { facts: { errors } })
  }
})

t.test('a module without a schema takes no config', async (t) => {
  const thread = new QueueServiceThread({
    name: 'hooks',
    module: new URL('../fixtures/hooks.js', import.meta.url),
    options: { config: {} },
    log: new RecordingLog().log,
  })
  t.match(await errorOf(thread.start()), { message: /config: its module takes no config/ })
})

t.test('a thread or a process sees the environment variables that are listed, and no others', async (t) => {
  process.env.GIVEN = 'it is'
  t.teardown(() => {
    delete process.env.GIVEN
  })
  const config = { greeting: 'Hello' }
  for (const isolation of ['thread', 'process'] as const) {
    const thread = threadOf(t, { config, isolation, env: ['GIVEN', 'NOT_SET_ANYWHERE'] })
    await thread.start()
    t.same(await thread.callThread('environment', {}), { names: ['GIVEN'], given: 'it is' }, isolation)
    const all = threadOf(t, { config, isolation })
    await all.start()
    t.match(await all.callThread('environment', {}), { names: /PATH/, given: 'it is' }, isolation)
  }
})
