/** The hash of a module, by which nodes see that they have different code. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ModulesFolder } from '../../src/registry/modules-folder.ts'

const FILES = {
  'service.js': `import { one } from './lib/one.js'\nimport 'a-package'\nexport default one`,
  'lib/one.js': `export { two as one } from './two.js'`,
  'lib/two.js': 'export const two = 2',
  'node_modules/a-package/package.json': '{ "name": "a-package", "main": "index.js" }',
  'node_modules/a-package/index.js': '',
}

async function hashOf(t: Test, name: string, changes: Record<string, string> = {}): Promise<string | undefined> {
  const folder = join(t.testdir(), name)
  for (const [path, text] of Object.entries({ ...FILES, ...changes })) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  const modules = new ModulesFolder(folder)
  return await modules.hashOf(modules.urlOf('service.js'))
}

t.test('it is of all files that the module imports, and of no package', async (t) => {
  const hash = await hashOf(t, 'one')
  t.match(hash, /^[\w-]{16}$/)
  t.equal(await hashOf(t, 'in another folder'), hash)
  t.not(await hashOf(t, 'two', { 'service.js': `${FILES['service.js']}\n` }), hash)
  t.not(await hashOf(t, 'three', { 'lib/two.js': 'export const two = 3' }), hash, 'through any depth')
  t.equal(await hashOf(t, 'four', { 'lib/three.js': 'export const three = 3' }), hash, 'it is not imported')
  t.equal(await hashOf(t, 'five', { 'node_modules/a-package/index.js': 'export const x = 1' }), hash)
})

t.test('it changes with the imported file also in a folder that was read before', async (t) => {
  const folder = t.testdir({ 'service.js': `import './other.js'`, 'other.js': '1' })
  const modules = new ModulesFolder(folder)
  const before = await modules.hashOf(modules.urlOf('service.js'))
  await writeFile(join(folder, 'other.js'), '2')
  t.not(await modules.hashOf(modules.urlOf('service.js')), before)
  t.equal(await modules.hashOf(modules.urlOf('none.js')), undefined)
})
