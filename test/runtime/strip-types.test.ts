/** Modules in TypeScript: Node 22.18 loads them itself, and Node 20 with the package `amaro`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { QueueServiceThread } from '../../src/threads/queue-service-thread.ts'
import { errorOf, RecordingLog, within } from '../helper.ts'

const isBuiltIn = Boolean((process.features as { typescript?: unknown }).typescript)

/** A module, and a file that it imports. */
const MODULE = `import { defineService, method } from 'threadplane'
import { double } from './_double.ts'
import type { Missing } from './missing.ts'

export default defineService({
  methods: { double: method<number, number>({ handler: (input: number) => double(input) as Missing }) },
})
`
const DOUBLE = `export const double = (input: number): number => 2 * input\n`

function write(folder: string, module = MODULE, double = DOUBLE): QueueServiceThread {
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'doubles.ts'), module)
  writeFileSync(join(folder, '_double.ts'), double)
  const url = pathToFileURL(join(folder, 'doubles.ts'))
  return new QueueServiceThread({ name: 'doubles', module: url, log: new RecordingLog().log })
}

t.test('a module and what it imports are loaded without their types', async (t) => {
  const thread = write(t.testdir())
  t.teardown(() => thread.stop())
  await within(thread.start(), 'the start')
  t.equal(await thread.callThread('double', 21), 42)
})

t.test('a syntax error names file and line, and the module is not tried again', async (t) => {
  const folder = t.testdir()
  for (const [double, message] of [
    [`\nexport const double: number = = 2\n`, 'Expression expected'],
    [`\nenum Size { Big }\nexport const double = Size\n`, 'TypeScript enum is not supported in strip-only mode'],
  ] as const) {
    const thread = write(folder, MODULE, double)
    const error = await errorOf(thread.start())
    t.match(error.message, `${message} (${join(folder, '_double.ts')}:2)`)
    t.match(error, { name: 'SyntaxError', unloadable: true })
    await thread.stop()
  }
})

t.test('without the package the module is refused', { skip: isBuiltIn && 'this Node needs no package' }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const thread = write(folder)
  t.match(await errorOf(thread.start()), {
    code: 'MODULE_REFUSED',
    message: /^a TypeScript module needs Node 22\.18 or newer, .*: compile it to JavaScript first, or install .* amaro/,
  })
  await thread.stop()
})
