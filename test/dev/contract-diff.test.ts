/** The changes of a contract, and which of them may break clients: descriptions of real zod schemas, before and after. */
import t from 'tap'
import { bytes, defineService, type MethodDefinition, method, stream } from 'threadplane'
import { z } from 'zod'
import { contractDiff } from '../../src/dev/contract-diff.ts'
import { contractLines } from '../../src/dev/output.ts'
import { describeService } from '../../src/module/describe-service.ts'

const handler = () => null as never
type Io = z.ZodType

/** Title, schema before, schema after, and what is said of it as an input and as an output. */
const SCHEMAS: [string, Io | undefined, Io | undefined, string[], string[]][] = [
  ['no change', z.object({ a: z.int() }), z.object({ a: z.int() }), [], []],
  ['another description', z.string().describe('a'), z.string().describe('b'), [], []],
  ['another default', z.int().default(1), z.int().default(2), [], []],
  [
    'a member named description',
    z.object({ description: z.int() }),
    z.object({ description: z.string() }),
    ['! description: integer → string'],
    ['! description: integer → string'],
  ],
  [
    'a new optional member',
    z.object({}),
    z.object({ upTo: z.int().optional() }),
    ['+ upTo?: integer'],
    ['+ upTo?: integer'],
  ],
  ['a new required member', z.object({}), z.object({ upTo: z.int() }), ['! + upTo: integer'], ['+ upTo: integer']],
  ['a member that is gone', z.object({ factors: z.array(z.int()) }), z.object({}), ['− factors'], ['! − factors']],
  ['a member that a strict object refuses', z.strictObject({ a: z.int() }), z.strictObject({}), ['! − a'], ['! − a']],
  [
    'a member that is required now',
    z.object({ a: z.int().optional() }),
    z.object({ a: z.int() }),
    ['! a is required'],
    ['a is required'],
  ],
  [
    'a member that is optional now',
    z.object({ a: z.int() }),
    z.object({ a: z.int().optional() }),
    ['a is optional'],
    ['! a is optional'],
  ],
  [
    'a member inside a member',
    z.object({ a: z.object({ b: z.int() }) }),
    z.object({ a: z.object({ b: z.number() }) }),
    ['a.b: integer → number'],
    ['! a.b: integer → number'],
  ],
  ['unknown members are refused', z.object({}), z.strictObject({}), ['! refuses unknown members'], []],
  ['a wider type', z.int(), z.number(), ['integer → number'], ['! integer → number']],
  ['a narrower type', z.number(), z.int(), ['! number → integer'], ['number → integer']],
  ['another type', z.int(), z.string(), ['! integer → string'], ['! integer → string']],
  ['nullable', z.string(), z.string().nullable(), ['string → string | null'], ['! string → string | null']],
  ['a new value of an enum', z.enum(['a']), z.enum(['a', 'b']), ['+ "b"'], ['! + "b"']],
  ['a value of an enum that is gone', z.enum(['a', 'b']), z.enum(['a']), ['! − "b"'], ['− "b"']],
  ['an enum that becomes text', z.enum(['a']), z.string(), ['"a" → string'], ['! "a" → string']],
  [
    'a new alternative',
    z.union([z.string(), z.object({ a: z.int() })]),
    z.union([z.string(), z.object({ a: z.int() }), z.boolean()]),
    ['string | object → string | object | boolean'],
    ['! string | object → string | object | boolean'],
  ],
  [
    'a change of an alternative',
    z.union([z.string(), z.object({ a: z.int() })]),
    z.union([z.string(), z.object({ a: z.int(), b: z.int() })]),
    ['! + b: integer'],
    ['+ b: integer'],
  ],
  ['a lower maximum', z.int().max(9), z.int().max(5), ['! maximum 9 → 5'], ['maximum 9 → 5']],
  ['a lower minimum', z.string().min(3), z.string().min(2), ['minLength 3 → 2'], ['! minLength 3 → 2']],
  ['a new limit', z.string(), z.string().max(5), ['! maxLength none → 5'], ['maxLength none → 5']],
  ['another pattern', z.string().regex(/a/), z.string().regex(/b/), ['! pattern "a" → "b"'], ['! pattern "a" → "b"']],
  ['items', z.array(z.int()), z.array(z.number()), ['[]: integer → number'], ['! []: integer → number']],
  ['a tuple', z.tuple([z.int()]), z.tuple([z.string()]), ['! array → array'], ['! array → array']],
  [
    'values of a record',
    z.record(z.string(), z.int()),
    z.record(z.string(), z.number()),
    ['{}: integer → number'],
    ['! {}: integer → number'],
  ],
  ['a schema where there was none', undefined, z.string(), ['! any → string'], ['any → string']],
  ['no schema any more', z.string(), undefined, ['string → any'], ['! string → any']],
  [
    'any JSON in a member',
    z.object({ a: z.string() }),
    z.object({ a: z.unknown() }),
    ['a: string → any'],
    ['! a: string → any'],
  ],
  [
    'an intersection',
    z.intersection(z.union([z.string(), z.int()]), z.literal('a')),
    z.intersection(z.union([z.string(), z.int()]), z.literal('b')),
    ['! string | integer & "a" → string | integer & "b"'],
    ['! string | integer & "a" → string | integer & "b"'],
  ],
  [
    'a schema that refers to itself',
    tree(z.int()),
    tree(z.number()),
    ['value: integer → number'],
    ['! value: integer → number'],
  ],
  [
    'definitions with the same text',
    z.object({ a: tree(z.int()), b: tree(z.int()) }),
    z.object({ a: tree(z.int()), b: tree(z.int()) }),
    [],
    [],
  ],
]

function tree(value: z.ZodType): z.ZodType {
  const node: z.ZodType = z.object({
    value,
    get children() {
      return z.array(node)
    },
  })
  return node
}

function said(before: Partial<MethodDefinition>, after: Partial<MethodDefinition>): string[] {
  const describe = (definition: Partial<MethodDefinition>) =>
    describeService(defineService({ methods: { m: method({ ...definition, handler }) } }))
  return contractDiff(describe(before), describe(after)).map(({ text, breaking }) => (breaking ? `! ${text}` : text))
}

const of = (io: string, lines: string[]) =>
  lines.map((line) => (line.startsWith('! ') ? `! ${io} ${line.slice(2)}` : `${io} ${line}`)).sort()

t.test('schemas of an input and of an output', async (t) => {
  for (const [title, before, after, asInput, asOutput] of SCHEMAS) {
    const schema = (io: 'input' | 'output', type: Io | undefined) => (type === undefined ? {} : { [io]: type })
    t.strictSame(said(schema('input', before), schema('input', after)).sort(), of('input', asInput), `input: ${title}`)
    t.strictSame(
      said(schema('output', before), schema('output', after)).sort(),
      of('output', asOutput),
      `output: ${title}`,
    )
  }
})

t.test('streams, bytes and problems', async (t) => {
  const json = z.object({ a: z.int() })
  t.strictSame(said({ output: json }, { output: stream(json) }), ['! output: a stream of items (was JSON)'])
  t.strictSame(said({ output: stream(json) }, { output: bytes() }), ['! output: bytes (was a stream of items)'])
  t.strictSame(said({ output: stream(z.object({})) }, { output: stream(json) }), ['output + a: integer'])
  t.strictSame(said({ output: bytes({ types: ['image/png'] }) }, { output: bytes({ types: ['image/webp'] }) }), [
    '! output image/webp (was image/png)',
  ])
  t.strictSame(said({ input: json }, { input: bytes() }), ['! input: bytes (was JSON)'])
  t.strictSame(said({ input: bytes() }, { input: json }), ['! input: JSON (was bytes)'])
  t.strictSame(
    said(
      { input: bytes({ types: ['image/png'], maxBytes: 9 }) },
      { input: bytes({ types: ['image/webp'], maxBytes: 5 }) },
    ),
    ['input + image/webp', '! input − image/png', '! input maxBytes 9 → 5'],
  )
  const problems = { notFound: { status: 404, title: 'No such thing' } }
  t.strictSame(said({}, { problems }), ['problem + notFound (404)'])
  t.strictSame(said({ problems }, {}), ['problem − notFound'])
})

t.test('methods that are new or gone, and how lines are printed', async (t) => {
  const described = (methods: Record<string, MethodDefinition>) => describeService(defineService({ methods }))
  const count = (more: z.ZodRawShape) => method({ input: z.object({ below: z.int(), ...more }), handler })
  const factorize = (output: z.ZodRawShape) => method({ output: z.object(output), handler })
  const before = described({
    count: count({}),
    factorize: factorize({ factors: z.array(z.int()) }),
    old: method({ handler }),
  })
  const after = described({
    count: count({ upTo: z.int().optional() }),
    factorize: factorize({}),
    fresh: method({ handler }),
  })
  t.strictSame(contractLines(contractDiff(before, after)), [
    'count: input + upTo?: integer   ! factorize: output − factors (clients may break)   + fresh',
    '! − old (clients may break)',
  ])
  t.strictSame(contractDiff(after, after), [])
})
