/** The README and the committed OpenAPI documents agree with the source. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { bundledDocuments } from '../openapi/generate.ts'
import { SETTINGS } from '../src/config.ts'
import { ERRORS } from '../src/contract/errors.ts'

const readme = await readFile('README.md', 'utf8')
const documents = await bundledDocuments()

/** The rows of the README's table with this header, each as a list of cells. */
function table(header: string): string[][] {
  const [, after = ''] = readme.split(`${header}\n`)
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

t.test('the table of errors in the README is the table in the source', async (t) => {
  t.strictSame(
    table('| code | status | may a retry succeed? |'),
    Object.entries(ERRORS).map(([code, { status, retryable }]) => [
      `\`${code}\``,
      `${status}`,
      retryable ? 'yes' : 'no',
    ]),
  )
})

t.test('the table of settings in the README is the table in the source', async (t) => {
  t.strictSame(
    table('| environment | default | meaning |'),
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

t.test("the README's table of routes lists the routes of the server", async (t) => {
  const document = JSON.parse(documents.get('openapi.json') as string) as { paths: Record<string, object> }
  const served = Object.entries(document.paths)
    .filter(([path]) => !/^\/v1\/services\/(digest|markdown|primes)\//.test(path))
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
  const undocumented = ['GET /openapi.json', 'GET /openapi.yaml', 'GET /docs', 'GET /']
  const listed = table('| route | does |').map(([route = '']) => route.replaceAll('`', ''))
  t.strictSame(listed.sort(), [...served, ...undocumented].sort())
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
