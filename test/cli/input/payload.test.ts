/** The forms of a payload. */
import { Readable } from 'node:stream'
import t from 'tap'
import { UsageError } from '../../../src/cli/exit-codes.ts'
import { exampleOf } from '../../../src/cli/input/editor.ts'
import { readJson, readPayload } from '../../../src/cli/input/payload.ts'

const stdin = () => Readable.from([Buffer.from('{"from":'), Buffer.from('"stdin"}')])

t.test('each form is the JSON that it says', async (t) => {
  const file = `${t.testdir({ 'payload.json': '{"from":"file"}' })}/payload.json`
  const cases: [words: string[], json: string | undefined][] = [
    [[], undefined],
    [['{"a":1}'], '{"a":1}'],
    [['[1, 2]'], '[1, 2]'],
    [['"a=b"'], '"a=b"'],
    [['12'], '12'],
    [['-'], '{"from":"stdin"}'],
    [[`@${file}`], '{"from":"file"}'],
    [['a=1'], '{"a":"1"}'],
    [['a:=1', 'b=x=y', 'c=', 'd:={"e":[null]}'], '{"a":1,"b":"x=y","c":"","d":{"e":[null]}}'],
    [['a-b.c=1'], '{"a-b.c":"1"}'],
    [['__proto__=x'], '{"__proto__":"x"}'],
  ]
  for (const [words, json] of cases) t.equal(await readJson(words, stdin()), json, words.join(' '))
})

t.test('what is none of them is an error that says why', async (t) => {
  const cases: [words: string[], message: RegExp][] = [
    [['{"a":'], /^the payload is no JSON \(.*\): use/],
    [['text'], /^the payload is no JSON/],
    [['{"a":1}', 'b=2'], /^"b=2" is too much: quote JSON as one word/],
    [['a=1', 'b'], /^"b" is no member: use a=text or a:=1/],
    [['a:=text'], /^"a:=text" has no JSON behind := ; for a text use =/],
    [['@/nonexistent'], /^cannot read the payload: ENOENT/],
  ]
  for (const [words, message] of cases) {
    const error = await readJson(words, stdin()).catch((error: unknown) => error)
    t.type(error, UsageError)
    t.match((error as Error).message, message)
  }
})

t.test('bytes are sent as they are', async (t) => {
  const bytes = await readPayload(['-'], Readable.from([Buffer.from([0, 255]), Buffer.from([128])]))
  t.strictSame(bytes, Buffer.from([0, 255, 128]))
})

t.test('an editor begins with a value for each property that is needed', async (t) => {
  const schema = {
    type: 'object',
    properties: {
      below: { type: 'integer', minimum: 2 },
      name: { type: 'string' },
      kind: { enum: ['a', 'b'] },
      list: { type: 'array', items: { type: 'boolean' } },
      more: { type: 'string' },
    },
    required: ['below', 'name', 'kind', 'list'],
  }
  t.strictSame(exampleOf(schema), { below: 2, name: '', kind: 'a', list: [false] })
  t.strictSame(exampleOf(null), {})
})
