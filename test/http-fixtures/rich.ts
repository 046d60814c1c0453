/** Methods with schemas of every kind, and one that fails. */
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const Tree = z.object({
  name: z.string().max(50),
  get children() {
    return z.array(Tree).max(10).optional()
  },
})

export default defineService({
  description: 'Schemas of every kind',
  methods: {
    union: method({
      input: z.discriminatedUnion('shape', [
        z.object({ shape: z.literal('circle'), radius: z.number().positive() }),
        z.strictObject({ shape: z.literal('square'), side: z.int().min(1).max(1_000) }),
      ]),
      output: z.union([z.number(), z.string()]),
      handler: (it) => (it.shape === 'circle' ? it.radius : `${it.side}`),
      timeoutMs: 5_000,
    }),
    tuple: method({
      input: z.tuple([z.string().max(20), z.number()], z.boolean()),
      output: z.array(z.union([z.string(), z.number(), z.boolean()])),
      handler: (all) => all,
      timeoutMs: 5_000,
    }),
    formats: method({
      input: z.object({
        id: z.uuid(),
        at: z.iso.datetime(),
        email: z.email().optional(),
        address: z.ipv4().nullable(),
        code: z.string().regex(/^[A-Z]{2}\d{1,4}$/),
      }),
      output: z.object({ id: z.uuid(), at: z.iso.datetime(), address: z.ipv4().nullable() }),
      handler: ({ id, at, address }) => ({ id, at, address }),
      timeoutMs: 5_000,
    }),
    coerced: method({
      input: z.object({
        count: z.coerce.number(),
        text: z.string().trim().default('none'),
        on: z.stringbool().optional(),
      }),
      output: z.object({ count: z.number(), text: z.string() }),
      handler: ({ count, text }) => ({ count, text }),
      timeoutMs: 5_000,
    }),
    tree: method({ input: Tree, output: Tree, handler: (tree) => tree, timeoutMs: 5_000 }),
    records: method({
      input: z.record(z.string().max(20), z.union([z.number(), z.null(), z.enum(['a', 'b'])])),
      output: z.record(z.string(), z.unknown()),
      handler: (record) => record,
      timeoutMs: 5_000,
    }),
    fails: method({
      input: z.number().multipleOf(5),
      maxAttempts: 1,
      handler: (n) => {
        throw new RangeError(`${n} is too much`)
      },
    }),
  },
})
