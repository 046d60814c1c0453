/** What the control thread refuses before a payload enters the queue, with pointers to the wrong parts. */
import t from 'tap'
import { z } from 'zod'
import { PayloadValidator } from '../../src/payload/validator.ts'
import { accepts, validatorOf } from '../module/validate-input.ts'

const circle = z.object({ kind: z.literal('circle'), r: z.number() })
const box = z.object({ kind: z.literal('box'), w: z.number() })

const REFUSALS: [title: string, schema: z.ZodType, payload: unknown, pointers: string[]][] = [
  [
    'a wrong type',
    z.object({ a: z.string(), b: z.boolean(), c: z.null() }),
    { a: 1, b: 'x', c: 0 },
    ['/a', '/b', '/c'],
  ],
  ['a missing key', z.object({ a: z.object({ b: z.string() }) }), { a: {} }, ['/a/b']],
  ['an array instead of an object', z.object({ a: z.string() }), [], ['']],
  ['numbers out of range', z.array(z.number().min(1).lt(5)), [0, 1, 4.9, 5], ['/0', '/3']],
  ['numbers out of the tightest range', z.array(z.number().min(3).min(1).max(7).max(9)), [2, 3, 7, 8], ['/0', '/3']],
  ['numbers that are no 32-bit integers', z.array(z.int32()), [1.5, 2 ** 31, 1], ['/0', '/1']],
  ['numbers that are no multiple', z.array(z.number().multipleOf(0.5)), [0.5, 0.6], ['/1']],
  ['texts of a wrong length', z.array(z.string().min(2).min(1).max(3)), ['a', '💩', 'abcd', 'abc'], ['/0', '/1', '/2']],
  [
    'texts of a wrong length, if the check comes before a trim',
    z.array(z.string().min(2).trim().min(9)),
    ['a', 'ab'],
    ['/0'],
  ],
  [
    'texts of a wrong length, if the check comes after a refinement',
    z.array(
      z
        .string()
        .refine(() => true)
        .max(1),
    ),
    ['ab'],
    ['/0'],
  ],
  ['other types than text, if the text is trimmed', z.array(z.string().trim()), [1, 'a'], ['/0']],
  ['arrays of a wrong length', z.array(z.array(z.any()).nonempty().max(1)), [[], [1], [1, 2]], ['/0', '/2']],
  [
    'texts of another format',
    z.object({ a: z.email(), b: z.uuid(), c: z.iso.datetime(), d: z.ipv4() }),
    { a: 'a', b: 'b', c: 'c', d: 'd' },
    ['/a', '/b', '/c', '/d'],
  ],
  [
    'other values than those of an enum or literal',
    z.object({ a: z.enum(['x', 'y']), b: z.literal(1) }),
    { a: 'z', b: 2 },
    ['/a', '/b'],
  ],
  ['unknown keys of a strict object', z.strictObject({ a: z.any() }), { a: 1, b: 1, 'c/d~': 1 }, ['/b', '/c~1d~0']],
  [
    'other keys whose value the catchall refuses',
    z.object({ a: z.any() }).catchall(z.int()),
    { a: 'x', b: 'x' },
    ['/b'],
  ],
  ['wrong values of a record', z.record(z.string().regex(/./), z.int()), { a: 1, b: 'x' }, ['/b']],
  ['missing and unknown keys of a record', z.record(z.enum(['a', 'b']), z.int()), { a: 1, c: 1 }, ['/b', '/c']],
  ['wrong elements of a tuple', z.tuple([z.int(), z.string()], z.boolean()), ['1', 'a', true, 1], ['/0', '/3']],
  [
    'a tuple too short or too long',
    z.array(z.tuple([z.int(), z.int().optional()])),
    [[], [1], [1, 2], [1, 2, 3]],
    ['/0', '/3'],
  ],
  [
    'issues of both sides of an intersection',
    z.object({ a: z.int() }).and(z.object({ b: z.int() })),
    { a: 'x' },
    ['/a', '/b'],
  ],
  [
    'issues of an object that is intersected with a union',
    z.object({ a: z.int() }).and(z.union([circle, box])),
    { kind: 'box', w: 1 },
    ['/a'],
  ],
  ['a wrong input of a pipe', z.object({ a: z.string().transform(Number).pipe(z.number()) }), { a: 1 }, ['/a']],
  ['a wrong type where there is a default', z.object({ a: z.string().default('x') }), { a: 1 }, ['/a']],
  ['null for an optional member', z.object({ a: z.string().optional() }), { a: null }, ['/a']],
  [
    'missing keys with names that objects inherit',
    z.object({ constructor: z.string(), ['__proto__']: z.int() }),
    {},
    ['/constructor'],
  ],
]

for (const [title, schema, payload, pointers] of REFUSALS) {
  t.test(`the control thread refuses ${title}`, (t) => {
    const issues = validatorOf(schema)(payload)
    t.strictSame(issues?.map(({ pointer }) => pointer).sort(), pointers)
    t.notOk(accepts(schema, payload), 'and so does the original')
    t.end()
  })
}

t.test('the issue of a wrong tag names all tags, and only the option of the tag is tried', (t) => {
  const option = (tag: string) => z.object({ tag: z.literal(tag), value: z.int() })
  const tags = ['a', 'b', 'c']
  const [a, b, c] = tags.map(option) as [
    ReturnType<typeof option>,
    ReturnType<typeof option>,
    ReturnType<typeof option>,
  ]
  for (const schema of [z.discriminatedUnion('tag', [a, b, c]), z.union([a, b, c])]) {
    const validate = validatorOf(z.object({ item: schema }))
    for (const tag of tags) t.equal(validate({ item: { tag, value: 1 } }), undefined)
    t.match(validate({ item: { tag: 'd', value: 1 } }), [{ pointer: '/item/tag', message: /'a' \| 'b' \| 'c'/ }])
    t.match(validate({ item: { tag: 'b', value: 'x' } }), [{ pointer: '/item/value', message: /expected number/ }])
    t.match(validate({ item: 1 }), [{ pointer: '/item', message: /expected object/ }])
  }
  const overlapping = z.union([a, z.object({ tag: z.string(), other: z.int() })])
  const validate = validatorOf(overlapping)
  t.equal(validate({ tag: 'a', other: 1 }), undefined, 'a union whose options have no tag of their own tries them all')
  t.equal(validate({ tag: 'a', value: 1 }), undefined)
  t.end()
})

t.test('an issue deep in a recursive payload has a pointer to it', (t) => {
  const Tree = z.object({
    name: z.string(),
    get children() {
      return z.array(Tree).optional()
    },
  })
  const validate = validatorOf(Tree)
  t.equal(validate({ name: 'a', children: [{ name: 'b', children: [] }] }), undefined)
  t.strictSame(validate({ name: 'a', children: [{ name: 'b' }, { name: 'c', children: [{ name: 1 }] }] }), [
    { pointer: '/children/1/children/0/name', message: 'Invalid input: expected string, received number' },
  ])
  t.end()
})

t.test('a large payload is refused at its first issue', (t) => {
  const wrong = (value: unknown) => Array.from({ length: 200_000 }, () => value)
  const large: [z.ZodType, unknown][] = [
    [z.array(z.int()), 'x'],
    [z.array(z.string().min(2)), ''],
    [z.array(z.email()), ''],
    [z.array(z.int().max(1)), 2],
    [z.array(z.strictObject({})), { a: 1 }],
    [z.array(z.union([z.strictObject({}), z.string().min(1)])), { a: 1 }],
  ]
  for (const [schema, value] of large) t.equal(validatorOf(schema)(wrong(value))?.length, 1)
  t.end()
})

t.test('a payload that is nested 200,000 deep is accepted: the thread decides', (t) => {
  const List = z.object({
    get next() {
      return List.nullable()
    },
  })
  let payload: unknown = null
  for (let depth = 0; depth < 200_000; depth++) payload = { next: payload }
  t.equal(validatorOf(List)(payload), undefined)
  t.strictSame(
    validatorOf(z.object({ list: List, a: z.int() }))({ list: payload, a: 'x' }),
    undefined,
    'also if another part of it is wrong',
  )
  t.end()
})

t.test('without a schema that zod can rebuild, any JSON is accepted', (t) => {
  for (const widenedInput of [
    undefined,
    { type: 'nonsense' },
    { $ref: '#/$defs/none' },
    { pattern: '(', type: 'string' },
  ]) {
    const validator = new PayloadValidator(widenedInput ? { widenedInput } : {})
    t.equal(validator.validate({ a: 1 }), undefined)
  }
  t.end()
})
