/**
 * The folders of the source follow the table of folders in docs/architecture.md, and so do the lint rules: each folder
 * imports only what its row allows, no folders import each other in a circle, and no source file is long without a reason.
 */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'

const FILES_OF_SRC = ['config.ts', 'index.ts', 'log.ts', 'main.ts']
const MAX_LINES = 300
const TABLE_HEADER = '| folder | purpose | may import |'
const TYPES_OF = 'types of '
/** `import … from './x.ts'`, `export … from './x.ts'`, `import './x.ts'`, and `import('./x.ts')`. */
const IMPORT = /(?:^(?:import|export)\b([^'";]*?)\bfrom |\bimport ?\(?)'(\.[^']+)'/gm

interface Import {
  file: string
  path: string
  /** The name of a folder in `src`, of a file in `src` without its extension, or `routes`. */
  target: string
  typeOnly: boolean
}

interface LintConfig {
  overrides: {
    files: string[]
    rules: { 'no-restricted-imports': [string, { patterns: { group: string[]; allowTypeImports?: boolean }[] }] }
  }[]
}

const entries = await readdir('src', { withFileTypes: true })
const folders = [...entries.filter((entry) => entry.isDirectory()).map(({ name }) => `src/${name}`), 'routes'].sort()
const table = parseTable(await readFile('docs/architecture.md', 'utf8'))
const sources = new Map<string, string>()
for (const folder of ['src', 'routes', 'workers', 'openapi']) {
  for (const path of await readdir(folder, { recursive: true })) {
    if (path.endsWith('.ts')) sources.set(join(folder, path), await readFile(join(folder, path), 'utf8'))
  }
}

t.test('src has four files, and only folders beside them; the table has a row for each folder', async (t) => {
  t.strictSame(
    entries
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort(),
    FILES_OF_SRC,
  )
  t.strictSame([...table.keys()].sort(), folders)
})

t.test('the lint rules allow the imports of the table, and no others', async (t) => {
  const text = await readFile('.oxlintrc.json', 'utf8')
  const { overrides } = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, '')) as LintConfig
  for (const folder of folders) {
    const [override] = overrides.filter(({ files }) => files.length === 1 && files[0] === `${folder}/**`)
    if (override === undefined) t.fail(`there is no lint rule for ${folder}`)
    else t.strictSame(allowedByLint(folder, override), table.get(folder)?.toSorted(), folder)
  }
})

t.test('each folder imports only what its row allows', async (t) => {
  t.ok(folders.flatMap(importsOf).length > 200, 'the imports are found')
  for (const folder of folders) {
    const allowed = table.get(folder) ?? []
    const refused = importsOf(folder).filter(
      ({ target, typeOnly }) => !allowed.includes(target) && !(typeOnly && allowed.includes(TYPES_OF + target)),
    )
    t.strictSame(refused, [], folder)
  }
})

t.test('no folders import each other in a circle', async (t) => {
  // Removes the folders that import none of the others, until there are none: the folders of a circle stay.
  let left = new Map(folders.map((folder) => [nameOf(folder), new Set(importsOf(folder).map(({ target }) => target))]))
  for (let size = -1; size !== left.size; ) {
    size = left.size
    left = new Map([...left].filter(([, targets]) => [...targets].some((target) => left.has(target))))
  }
  t.strictSame([...left.keys()], [])
})

t.test('the header of a source file with more than 300 lines says why it is one file', async (t) => {
  for (const [file, text] of sources) {
    if (text.split('\n').length - 1 <= MAX_LINES) continue
    const [header = ''] = /^\/\*\*[^]*?\*\//.exec(text) ?? []
    t.match(header, /\blines\b|\bone file\b/, file)
  }
})

/** Folders → what each may import, as the table writes it. */
function parseTable(document: string): Map<string, string[]> {
  const [, after = ''] = document.split(`${TABLE_HEADER}\n`)
  const [rows = ''] = after.split('\n\n')
  return new Map(
    rows
      .split('\n')
      .slice(1)
      .map((row) => {
        const [, folder = '', , imports = ''] = row.split('|').map((cell) => cell.trim())
        return [folder.replaceAll('`', ''), imports === '–' ? [] : imports.split(', ')]
      }),
  )
}

function nameOf(folder: string): string {
  return folder.replace(/^src\//, '')
}

/**
 * A rule refuses all imports from outside the folder in its first pattern, with exceptions. A later pattern allows only
 * types of one of the exceptions.
 */
function allowedByLint(folder: string, { rules }: LintConfig['overrides'][number]): string[] {
  const [refusal, ...typesOnly] = rules['no-restricted-imports'][1].patterns
  const group = refusal?.group ?? []
  const outside = folder === 'routes' ? ['../src/**', '../../src/**', 'threadplane'] : ['../**', 'threadplane']
  if (outside.some((pattern) => !group.includes(pattern))) return [`${outside.join(', ')} must be refused`]
  const types = typesOnly.filter(({ allowTypeImports }) => allowTypeImports).flatMap(({ group }) => group)
  const exceptions = group.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1))
  const allowed = exceptions.map((pattern) => {
    const name = pattern.replace(/^(\.\.\/)+(src\/)?/, '').replace(/\/\*\*$|\.ts$/, '')
    return types.includes(pattern) ? TYPES_OF + name : name
  })
  return [...new Set(allowed)].sort()
}

/** The imports of a folder's files from other folders, and from the files of `src`. */
function importsOf(folder: string): Import[] {
  return [...sources]
    .filter(([file]) => file.startsWith(`${folder}/`))
    .flatMap(([file, text]) =>
      Array.from(text.matchAll(IMPORT), ([, clause, specifier = '']) => {
        const path = join(dirname(file), specifier)
        const [first = '', second = ''] = path.split('/')
        const target = first === 'src' ? second.replace(/\.ts$/, '') : first
        return { file, path, target, typeOnly: clause !== undefined && isTypeOnly(clause) }
      }),
    )
    .filter(({ path }) => !path.startsWith(`${folder}/`))
}

/** @param clause what stands between `import` or `export` and `from` */
function isTypeOnly(clause: string): boolean {
  const [, names = ''] = /^\s*\{([^]*)\}\s*$/.exec(clause) ?? []
  return /^\s*type\s/.test(clause) || (names.split(',').every((name) => /^\s*(type\s|$)/.test(name)) && names !== '')
}
