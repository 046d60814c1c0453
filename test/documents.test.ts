import { readFile } from 'node:fs/promises'
import t from 'tap'
import { bundledDocuments, FORMATS } from '../openapi/generate.ts'
import { SETTINGS } from '../src/config.ts'
import { ERRORS } from '../src/contract/errors.ts'

const readme = await readFile('README.md', 'utf8')
const documents = await bundledDocuments()

/** The cells of the README's table with this header, a row each, without their backquotes. */
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

for (const format of FORMATS) {
  t.test(`the committed openapi/${format} is what the server answers`, async (t) => {
    const committed = await readFile(`openapi/${format}`, 'utf8')
    t.equal(committed, documents.get(format), 'npm run openapi writes it anew')
  })
}

t.test("the README's table of errors is the table in the source", async (t) => {
  t.strictSame(
    table('| code | status | may a retry succeed? |'),
    Object.entries(ERRORS).map(([code, { status, retryable }]) => [
      `\`${code}\``,
      `${status}`,
      retryable ? 'yes' : 'no',
    ]),
  )
})

t.test("the README's table of settings is the table in the source", async (t) => {
  t.strictSame(
    table('| environment | default | meaning |'),
    Object.entries(SETTINGS).map(([name, setting]) => [
      `\`${name}\``,
      setting.default === '' ? '' : `\`${setting.default}\``,
      setting.meaning,
    ]),
  )
})

t.test("the README's table of routes is that of the server", async (t) => {
  const document = JSON.parse(documents.get('openapi.json') as string) as { paths: Record<string, object> }
  const served = Object.entries(document.paths)
    .filter(([path]) => !/^\/v1\/services\/(digest|markdown|primes)\//.test(path))
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
  const undocumented = ['GET /openapi.json', 'GET /openapi.yaml', 'GET /docs']
  const listed = table('| route | does |').map(([route = '']) => route.replaceAll('`', ''))
  t.strictSame(listed.sort(), [...served, ...undocumented].sort())
})

t.test('every operation of the document has an id of its own', async (t) => {
  const document = JSON.parse(documents.get('openapi.json') as string) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.includes('callMarkdownRender'))
  t.ok(ids.includes('castPrimesCount'))
})
