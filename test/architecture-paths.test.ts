/** The architecture document names files by their path. A file that has moved must not be named by its old one. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import t from 'tap'

const FOLDERS = ['src', 'routes', 'workers', 'test', 'bench', 'docs', 'dashboard']

const document = await readFile('docs/architecture.md', 'utf8')
const named = new Set(Array.from(document.matchAll(/`([^`\n]+)`/g), ([, name = '']) => name))
const [, afterHead = ''] = document.split('| folder to come |')
const tableToCome = afterHead.split('\n\n')[0] ?? ''
/** Folders that do not exist yet: the document has a table of them. */
const toCome = new Set(Array.from(tableToCome.matchAll(/^\| `([^`]+)` \|/gm), ([, name = '']) => name))

t.test('every file and folder that the document names exists', async (t) => {
  const paths = [...named].filter((name) => FOLDERS.some((folder) => name.startsWith(`${folder}/`)))
  t.ok(paths.length > 50)
  t.strictSame(
    paths.filter((path) => !toCome.has(path) && !existsSync(path)),
    [],
  )
})

t.test('every file that the document names without its folder exists in one of them', async (t) => {
  const files = new Set<string>()
  for (const folder of FOLDERS.filter((folder) => existsSync(folder))) {
    for (const path of await readdir(folder, { recursive: true })) files.add(basename(path))
  }
  const names = [...named].filter((name) => /^[\w-]+\.(ts|json|md)$/.test(name))
  t.strictSame(
    names.filter((name) => !files.has(name) && !existsSync(name)),
    [],
  )
})
