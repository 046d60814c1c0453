/** Forms from JSON Schema: what zod writes, the page understands. */
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { fieldOf, isNever } from '../../dashboard/source/form/field.ts'
import { branchOf, fit } from '../../dashboard/source/form/fit.ts'
import { limitsText } from '../../dashboard/source/form/limits-text.ts'
import { placeErrors } from '../../dashboard/source/form/place-errors.ts'
import type { Schema } from '../../dashboard/source/form/schema.ts'
import { blank, sample } from '../../dashboard/source/form/values.ts'

const jsonSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema

const kindOf = (schema: z.ZodType) => {
  const root = jsonSchema(schema)
  return fieldOf(root, root)
}

/** Schemas of every kind that a sample can be made for: of texts with patterns of users, it cannot. */
const schemas = fc.letrec<{ any: z.ZodType; object: z.ZodObject }>((tie) => {
  const bounds = fc.tuple(fc.integer({ min: -50, max: 50 }), fc.nat(100))
  return {
    any: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      bounds.map(
        ([min, size]): z.ZodType =>
          z
            .int()
            .min(min)
            .max(min + size),
      ),
      bounds.map(
        ([min, size]): z.ZodType =>
          z
            .number()
            .gt(min)
            .lt(min + size + 1),
      ),
      fc.integer({ min: 1, max: 9 }).map(
        (step): z.ZodType =>
          z
            .number()
            .multipleOf(step / 2)
            .min(step),
      ),
      fc.tuple(fc.nat(20), fc.nat(20)).map(
        ([min, size]): z.ZodType =>
          z
            .string()
            .min(min)
            .max(min + size),
      ),
      fc.constantFrom<z.ZodType>(
        z.email(),
        z.uuid(),
        z.url(),
        z.ipv4(),
        z.ipv6(),
        z.iso.date(),
        z.iso.time(),
        z.iso.datetime(),
        z.iso.duration(),
        z.base64(),
        z.ulid(),
        z.boolean(),
        z.null(),
        z.any(),
        z.json(),
        z.enum(['a', 'b']),
        z.literal([1, 'x', null]),
      ),
      tie('object'),
      fc.tuple(tie('any'), fc.nat(3)).map(
        ([item, min]): z.ZodType =>
          z
            .array(item)
            .min(min)
            .max(min + 2),
      ),
      fc.tuple(tie('any'), tie('any')).map(([a, b]): z.ZodType => z.tuple([a, b])),
      fc.tuple(tie('any'), tie('any')).map(([a, rest]): z.ZodType => z.tuple([a], rest)),
      tie('any').map((value): z.ZodType => z.record(z.string(), value)),
      tie('any').map((value): z.ZodType => z.record(z.enum(['x', 'y']), value)),
      tie('any').map((inner): z.ZodType => inner.nullable()),
      fc.array(tie('any'), { minLength: 1, maxLength: 4 }).map((options): z.ZodType => z.union(options)),
      fc.tuple(tie('object'), tie('object')).map(([a, b]): z.ZodType => {
        return z.discriminatedUnion('kind', [a.extend({ kind: z.literal('a') }), b.extend({ kind: z.literal('b') })])
      }),
    ),
    object: fc
      .dictionary(fc.constantFrom('a', 'b', 'c', 'a/b~', ''), fc.tuple(tie('any'), fc.boolean()), {
        maxKeys: 4,
        noNullPrototype: true,
      })
      .map((members) =>
        z.object(
          Object.fromEntries(
            Object.entries(members).map(([name, [schema, optional]]) => [name, optional ? schema.optional() : schema]),
          ),
        ),
      ),
  }
})

t.test('A sample is accepted by the schema that it was made from, whatever zod can describe', async (t) => {
  fc.assert(
    fc.property(schemas.any, (schema) => {
      const root = jsonSchema(schema)
      const value = sample(root, root)
      const { error } = schema.safeParse(value)
      if (error !== undefined) throw new Error(`${JSON.stringify(value)}: ${error.message} ${JSON.stringify(root)}`)
    }),
    { numRuns: 150 },
  )
  t.pass('150 schemas')
})

t.test(
  'A value fits the schema that it is a sample of, and the form finds a branch of a union that it fits',
  async (t) => {
    fc.assert(
      fc.property(fc.array(schemas.any, { minLength: 2, maxLength: 4 }), fc.nat(3), (options, nth) => {
        const root = jsonSchema(z.union(options))
        const field = fieldOf(root, root)
        if (field.kind !== 'union') return
        const branch = field.branches[nth % field.branches.length]?.schema ?? {}
        const value = sample(root, branch)
        const found = field.branches[branchOf(root, field.branches, value)]?.schema ?? {}
        if (fit(root, found, value) < fit(root, branch, value)) throw new Error('another branch fits better')
        if (fit(root, branch, value) < 0.5) throw new Error(`${JSON.stringify(value)} does not fit its own branch`)
      }),
      { numRuns: 100 },
    )
    t.pass('100 unions')
  },
)

t.test('An empty form holds what must be there, and nothing that may be absent', async (t) => {
  const schema = z.object({
    name: z.string(),
    count: z.number(),
    size: z.enum(['s', 'm']),
    kind: z.literal('x'),
    tags: z.array(z.string()),
    text: z.string().default('none'),
    note: z.string().optional(),
  })
  t.same(blank(jsonSchema(schema), jsonSchema(schema)), { name: '', kind: 'x', tags: [] })
})

t.test('A schema is read as the kind of input that it asks for', async (t) => {
  t.match(kindOf(z.string().nullable()), { kind: 'text', nullable: true })
  t.match(kindOf(z.union([z.literal('a'), z.enum(['b', 'c'])])), { kind: 'choice', values: ['a', 'b', 'c'] })
  t.match(kindOf(z.json()), { kind: 'any' })
  t.match(kindOf(z.record(z.enum(['x', 'y']), z.int())), { members: [{ name: 'x', required: true }, { name: 'y' }] })
  t.match(kindOf(z.record(z.string(), z.int())), { kind: 'object', members: [], others: { type: 'integer' } })
  t.match(kindOf(z.strictObject({ a: z.int() })), { others: undefined })
  t.match(kindOf(z.intersection(z.object({ a: z.int() }), z.object({ b: z.int() }))), {
    kind: 'object',
    members: [{ name: 'a' }, { name: 'b' }],
  })
  const shapes = z.discriminatedUnion('shape', [
    z.object({ shape: z.literal('circle'), radius: z.number() }),
    z.object({ shape: z.literal('square'), side: z.number() }),
  ])
  t.match(kindOf(shapes), {
    kind: 'union',
    discriminator: 'shape',
    branches: [{ label: 'circle' }, { label: 'square' }],
  })
  t.match(kindOf(z.tuple([z.string(), z.number()])), { kind: 'tuple', rest: undefined, minItems: 2, maxItems: 2 })
  t.equal(limitsText(kindOf(z.int().min(1).max(9))), '1 to 9')
  t.equal(limitsText(kindOf(z.int())), '')
})

t.test('A method whose input has no JSON can never be called; any other can', async (t) => {
  const never = { type: 'object', properties: { map: { not: {} } }, required: ['map'] }
  t.equal(isNever(never, never), true)
  const optional = { ...never, required: [] }
  t.equal(isNever(optional, optional), false)
  const union = { anyOf: [never, { type: 'null' }] }
  t.equal(isNever(union, union), false)
})

t.test('A recursive schema ends where nobody looks', async (t) => {
  const Tree = z.object({
    name: z.string(),
    get children() {
      return z.array(Tree).optional()
    },
  })
  const root = jsonSchema(Tree)
  t.equal(Tree.safeParse(sample(root, root)).success, true)
  const loop = { $ref: '#' }
  t.equal(fieldOf(loop, loop).kind, 'any', 'a schema that refers only to itself')
})

t.test('An error is shown at its field, else at the nearest field around it', async (t) => {
  const schema = z.object({
    name: z.string(),
    items: z.array(z.object({ n: z.number() })),
    free: z.any(),
    'a/b': z.int(),
    shape: z.discriminatedUnion('type', [
      z.object({ type: z.literal('a'), x: z.int() }),
      z.object({ type: z.literal('b'), y: z.int() }),
    ]),
  })
  const value = { items: [{ n: 'x' }], free: { deep: 1 }, shape: { type: 'b' } }
  const at = (pointer: string) => [...placeErrors(jsonSchema(schema), value, [{ pointer, message: 'no' }])]
  t.same(at('/name'), [['/name', ['no']]], 'a member that is missing')
  t.same(at('/items/0/n'), [['/items/0/n', ['no']]])
  t.same(at('/items/7/n'), [['/items', ['/7/n: no']]], 'an item that is not there')
  t.same(at('/free/deep'), [['/free', ['/deep: no']]], 'a part of what is written as JSON')
  t.same(at('/a~1b'), [['/a~1b', ['no']]])
  t.same(at('/shape/y'), [['/shape/y', ['no']]], 'of the branch that the value belongs to')
  t.same(at('/unknown'), [['', ['/unknown: no']]])
  t.same(at(''), [['', ['no']]])
})
