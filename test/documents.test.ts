/** Documents and the committed OpenAPI documents agree with the source, and links between documents lead somewhere. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { bundledDocuments } from '../openapi/generate.ts'
import { SETTINGS } from '../src/config.ts'
import { ERRORS } from '../src/contract/errors.ts'

const readme = await readFile('README.md', 'utf8')
const documents = await bundledDocuments()

/** The rows of the table with this header in a document, each as a list of cells. */
async function table(file: string, header: string): Promise<string[][]> {
  const [, after = ''] = (await readFile(file, 'utf8')).trimEnd().split(`${header}\n`)
  const rows = after.split('\n\n')[0]?.split('\n').slice(1) ?? []
  return rows.map((row) =>
    row
      .replaceAll('\\|', '¦')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

for (const [file, text] of documents) {
  t.test(`the committed openapi/${file} is what the source makes`, async (t) => {
    t.equal(await readFile(`openapi/${file}`, 'utf8'), text, '`npm run openapi` writes it again')
  })
}

t.test('the table of errors in docs/http-api.md is the table in the source', async (t) => {
  t.strictSame(
    await table('docs/http-api.md', '| code | status | may a retry succeed? |'),
    Object.entries(ERRORS).map(([code, { status, retryable }]) => [
      `\`${code}\``,
      `${status}`,
      retryable ? 'yes' : 'no',
    ]),
  )
})

t.test('the table of settings in docs/settings.md is the table in the source', async (t) => {
  t.strictSame(
    await table('docs/settings.md', '| environment | default | meaning |'),
    Object.entries(SETTINGS).map(([name, setting]) => [
      `\`${name}\``,
      setting.default === '' ? '' : `\`${setting.default}\``,
      setting.meaning,
    ]),
  )
})

t.test('the block of the README that starts the server runs nothing after it', async (t) => {
  const blocks = [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block)
  const start = blocks.find((block) => block.includes('npm start'))
  t.equal(start, 'npm ci && npm start\n')
})

t.test('the table of routes in docs/http-api.md lists the routes of the server', async (t) => {
  const document = JSON.parse(documents.get('openapi.json') as string) as { paths: Record<string, object> }
  const served = Object.entries(document.paths)
    .filter(([path]) => !/^\/v1\/services\/(digest|markdown|primes)\//.test(path))
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
  const undocumented = ['GET /openapi.json', 'GET /openapi.yaml', 'GET /docs', 'GET /']
  const listed = (await table('docs/http-api.md', '| route | does |')).map(([route = '']) => route.replaceAll('`', ''))
  t.strictSame(listed.sort(), [...served, ...undocumented].sort())
})

t.test('README is short', async (t) => {
  t.ok(readme.trimEnd().split('\n').length <= 200)
})

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(document: string): Set<string> {
  const headings = document.replace(/^```[^]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)
  return new Set(
    Array.from(headings, ([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\- _]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

t.test('each link between documents leads to a file and a heading', async (t) => {
  const inDocs = (await readdir('docs')).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))
  const atTop = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md', 'test/sdk/README.md']
  let links = 0
  for (const file of [...atTop, ...inDocs]) {
    const document = await readFile(file, 'utf8')
    const text = document.replace(/^```[^]*?^```$/gm, '').replace(/`[^`]*`/g, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      links += 1
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? file : join(file, '..', path)
      if (!existsSync(to)) t.fail(`${file} links to ${target}, which does not exist`)
      else if (anchor !== undefined && !anchorsOf(await readFile(to, 'utf8')).has(anchor)) {
        t.fail(`${file} links to ${target}, which has no such heading`)
      }
    }
  }
  t.ok(links > 50)
})

t.test('each document of docs is in its index', async (t) => {
  const index = await readFile('docs/README.md', 'utf8')
  for (const name of await readdir('docs')) {
    if (name.endsWith('.md') && name !== 'README.md') t.match(index, `](${name})`)
  }
})

t.test('no two operations of the document have the same id', async (t) => {
  const document = JSON.parse(documents.get('openapi.json') as string) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.includes('callMarkdownRender'))
  t.ok(ids.includes('castPrimesCount'))
})
