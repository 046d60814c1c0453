/** Modules and helpers in CommonJS, in a folder without `node_modules`, and ES modules that Node takes for CommonJS. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'
import { errorOf, RecordingLog } from '../helper.ts'

const ES_MODULE = `import { defineService, method } from 'threadplane'
export default defineService({ methods: { greet: method({ handler: (name) => 'hello ' + name }) } })`
const COMMON_JS = `const { defineService, method } = require('threadplane')
const { z } = require('zod')
module.exports = defineService({ methods: { greet: method({ input: z.string(), handler: (name) => 'hello ' + name }) } })`
const HELPED = `import { defineService, method } from 'threadplane'
import { input } from './_helper.cjs'
export default defineService({ methods: { greet: method({ input, handler: (name) => 'hello ' + name }) } })`

/** A thread of a module in a folder from which no packages can be found. */
function threadOf(t: Test, files: Record<string, string>, name = 'service.js'): QueueServiceThread {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-commonjs-'))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  const module = pathToFileURL(join(folder, name)).href
  const thread = new QueueServiceThread({ name: 'service', module, log: new RecordingLog().log })
  t.teardown(async () => {
    await thread.stop()
    rmSync(folder, { recursive: true })
  })
  return thread
}

t.test('a service and a helper in CommonJS find threadplane and zod', async (t) => {
  const helper = "module.exports = { input: require('zod').z.string() }"
  for (const [files, name] of [
    [{ 'service.js': COMMON_JS }, 'service.js'],
    [{ 'package.json': '{"type":"commonjs"}', 'service.js': COMMON_JS }, 'service.js'],
    [{ 'package.json': '{"type":"module"}', 'service.cjs': COMMON_JS }, 'service.cjs'],
    [{ 'service.mjs': HELPED, '_helper.cjs': helper }, 'service.mjs'],
  ] as const) {
    const thread = threadOf(t, files, name)
    await thread.start()
    t.equal(await thread.callThread('greet', 'Ada'), 'hello Ada')
  }
})

t.test('a CommonJS module that exports its service in another way fails, and says what to write', async (t) => {
  const inCommonJs = (assign: string) => COMMON_JS.replace('module.exports =', assign)
  for (const [text, message] of [
    [inCommonJs('exports.default ='), /its service is in module\.exports\.default: write "module\.exports = /],
    [inCommonJs('module.exports.default ='), /its service is in module\.exports\.default: write/],
    [inCommonJs('const unused ='), /its default export is missing: write "module\.exports = /],
    [inCommonJs('exports.greeter ='), /its default export is not a service: write "module\.exports = /],
    ['module.exports = null', /its default export is not a service/],
  ] as const) {
    t.match(await errorOf(threadOf(t, { 'service.cjs': text }, 'service.cjs').start()), {
      code: 'MODULE_REFUSED',
      message,
    })
  }
  const nested = 'export default { default: 1 }'
  const thread = threadOf(t, { 'service.mjs': nested }, 'service.mjs')
  t.match(await errorOf(thread.start()), { message: /is not a service: write "export default / })
})

t.test('an ES module that Node takes for CommonJS fails with its own file and with what to write', async (t) => {
  const files = { 'package.json': '{"type":"commonjs"}', 'service.js': ES_MODULE }
  const thread = threadOf(t, files)
  await t.rejects(thread.start(), { message: /service\.js:1\).*write "type": "module" in its package\.json/ })
})

t.test('packages of others are still not found', async (t) => {
  const files = { 'service.js': `require('pino')\n${COMMON_JS}` }
  const thread = threadOf(t, files)
  await t.rejects(thread.start(), { message: /Cannot find module 'pino'/ })
})
