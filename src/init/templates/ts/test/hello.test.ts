/** The service in a thread of its own, without a server. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { QueueServiceThread } from 'threadplane'
import type hello from '../services/hello.ts'

// Compiled, the module is beside the compiled test.
const module = new URL('../services/hello.js', import.meta.url)
const thread = new QueueServiceThread<typeof hello>({ name: 'hello', module })
before(() => thread.start())
after(() => thread.stop())

test('greets by name', async () => {
  assert.deepEqual(await thread.callThread('greet', { name: 'Ada' }), { greeting: 'Hello, Ada!' })
})

test('refuses a name that is empty', async () => {
  await assert.rejects(thread.callThread('greet', { name: '' }), { code: 'VALIDATION_FAILED' })
})
