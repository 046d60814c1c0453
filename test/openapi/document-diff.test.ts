/** The OpenAPI document breaks no client of the last release, unless its version says so. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { breakingChanges, type Document, mayBreak } from '../../openapi/document-diff.ts'

const read = async (file: string) => JSON.parse(await readFile(`openapi/${file}`, 'utf8')) as Document

t.test('clients of the last release can use this version', async (t) => {
  const [released, current] = await Promise.all([read('released.json'), read('openapi.json')])
  if (mayBreak(released.info.version, current.info.version)) return
  t.strictSame(breakingChanges(released, current), [], `made for ${released.info.version}`)
})

t.test('a version may break clients if its major number differs, or before 1.0 its minor number', async (t) => {
  t.ok(mayBreak('1.4.0', '2.0.0'))
  t.ok(mayBreak('0.1.0', '0.2.0'))
  t.notOk(mayBreak('1.4.0', '1.5.0'))
  t.notOk(mayBreak('0.1.0', '0.1.1'))
})

/** What was changed, how, and what is said of it. */
const CHANGES: [string, (document: any) => void, string[]][] = [
  ['nothing', () => {}, []],
  ['a description', (it) => (it.paths['/v1/jobs/{id}'].get.description = 'another'), []],
  ['a new operation', (it) => (it.paths['/v2'] = { get: { operationId: 'two', responses: {} } }), []],
  ['an operation is gone', (it) => delete it.paths['/v1/me'], ['getMe is gone: GET /v1/me']],
  ['another id', (it) => (it.paths['/v1/me'].get.operationId = 'me'), ['getMe is me now']],
  [
    'a new required parameter',
    (it) => (it.paths['/v1/me'].get.parameters = [{ in: 'query', name: 'a', required: true, schema: {} }]),
    ['getMe parameter query a is required'],
  ],
  [
    'a new optional parameter',
    (it) => (it.paths['/v1/me'].get.parameters = [{ in: 'query', name: 'a', schema: {} }]),
    [],
  ],
  [
    'a parameter takes less',
    (it) => (it.components.parameters.IdInPath.schema = { type: 'string', maxLength: 3 }),
    ['getJob parameter path id: ', 'deleteJob parameter path id: '],
  ],
  ['a new required member of a body', (it) => it.components.schemas.PrimesCountInput.required.push('base'), []],
  [
    'a new required member of a body',
    (it) => {
      Object.assign(it.components.schemas.PrimesCountInput.properties, { base: { type: 'integer' } })
      it.components.schemas.PrimesCountInput.required.push('base')
    },
    ['callPrimesCount body: + base: integer', 'castPrimesCount body: + base: integer'],
  ],
  [
    'a member of an answer is gone',
    (it) => delete it.components.schemas.Me.properties.scopes,
    ['signIn answer 200: − scopes', 'getMe answer 200: − scopes'],
  ],
  [
    'a member of an answer has another type',
    (it) => (it.components.schemas.Me.properties.via = { type: 'integer' }),
    ['signIn answer 200: via: ', 'getMe answer 200: via: '],
  ],
  [
    'a result has another type',
    (it) => (it.components.schemas.PrimesCountOutput.properties.count = { type: 'string' }),
    ['callPrimesCount answer 200: count', 'castPrimesCount answer 202: result.count'],
  ],
  [
    'a value of an answer is gone',
    (it) => it.components.schemas.Job.properties.state.enum.pop(),
    ['getJob answer 200: state − "expired"', 'castPrimesCount answer 202: state − "expired"'],
  ],
  ['a new code of a problem', (it) => it.components.schemas.ErrorCode.enum.push('NEW'), []],
]

/** Few operations: each pair of documents is compared as a whole. */
const PATHS = [
  '/v1/me',
  '/v1/session',
  '/v1/jobs/{id}',
  '/v1/services/primes/call/count',
  '/v1/services/primes/cast/count',
]
const document = await read('openapi.json')
document.paths = Object.fromEntries(Object.entries(document.paths).filter(([path]) => PATHS.includes(path)))

for (const [title, change, expected] of CHANGES) {
  t.test(title, async (t) => {
    const before = document
    const after = structuredClone(before)
    change(after)
    const lines = breakingChanges(before, after)
    t.equal(lines.length, expected.length, lines.join('\n'))
    for (const line of expected)
      t.ok(
        lines.some((one) => one.startsWith(line)),
        line,
        { lines },
      )
  })
}
