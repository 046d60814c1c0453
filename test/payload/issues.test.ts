/** How zod's errors become the issues of a refused payload. */
import t from 'tap'
import { z } from 'zod'
import { payloadIssues } from '../../src/payload/issues.ts'
import { validatorOf } from '../module/validate-input.ts'

const circle = z.object({ kind: z.literal('circle'), r: z.number() })
const box = z.object({ kind: z.literal('box'), w: z.number() })

t.test('of a union, the issues of the closest branch are reported', (t) => {
  const issuesOf = (schema: z.ZodType, payload: unknown) => {
    const { error } = schema.safeParse(payload)
    const ofThread = error && payloadIssues(error)
    const ofControlThread = validatorOf(schema)(payload)
    t.strictSame(
      ofControlThread?.map(({ pointer }) => pointer),
      ofThread?.map(({ pointer }) => pointer),
    )
    return ofControlThread?.map(({ pointer, message }) => `${pointer} ${message}`)
  }
  t.strictSame(
    issuesOf(z.union([circle, box]), { kind: 'box', w: 'x' }),
    ['/w Invalid input: expected number, received string'],
    'the branch whose tag fits',
  )
  t.strictSame(
    issuesOf(z.object({ shapes: z.array(z.union([z.string(), box, circle])) }), { shapes: ['a', { kind: 'circle' }] }),
    ['/shapes/1/r Invalid input: expected number, received undefined'],
    'the branch whose type fits',
  )
  t.strictSame(
    issuesOf(z.union([z.object({ a: z.object({ b: z.int() }) }), z.object({ c: z.int() })]), { a: { b: 'x' } }),
    ['/a/b Invalid input: expected number, received string'],
    'the branch whose first issue is deeper',
  )
  t.strictSame(
    issuesOf(z.union([z.object({ a: z.int(), b: z.int() }), z.object({ c: z.int() })]), { c: 'x' }),
    ['/c Invalid input: expected number, received string'],
    'the branch with fewer issues',
  )
  t.strictSame(
    issuesOf(z.object({ a: z.union([z.union([box, circle]).nullable(), z.int()]) }), { a: { kind: 'box', w: null } }),
    ['/a/w Invalid input: expected number, received null'],
    'through unions of unions',
  )
  t.strictSame(issuesOf(z.object({ a: z.union([z.string(), z.int(), z.literal('x')]).nullable() }), { a: true }), [
    '/a Invalid input: expected string or number or "x" or null',
  ])
  t.strictSame(issuesOf(z.array(z.string().min(2).or(z.int())), ['a']), [
    '/0 Too small: expected string to have >=2 characters',
  ])
  t.end()
})

t.test('the issues of an original schema have pointers to keys, elements and unions', (t) => {
  const issuesOf = (schema: z.ZodType, payload: unknown) => payloadIssues(schema.safeParse(payload).error as z.ZodError)
  t.strictSame(issuesOf(z.record(z.string().regex(/^a/), z.int()), { 'b~/': 1 }), [
    { pointer: '/b~0~1', message: 'Invalid key in record: Invalid string: must match pattern /^a/' },
  ])
  t.strictSame(issuesOf(z.discriminatedUnion('kind', [box, circle]), { kind: 'x' }), [
    { pointer: '/kind', message: "Invalid discriminator value. Expected 'box' | 'circle'" },
  ])
  t.strictSame(issuesOf(z.xor([z.int(), z.number()]), 1), [
    { pointer: '', message: 'Invalid input: more than one option matched' },
  ])
  t.strictSame(issuesOf(z.union([z.int(), z.email()], 'Give a number or an address'), null), [
    { pointer: '', message: 'Give a number or an address' },
  ])
  t.strictSame(
    issuesOf(z.map(z.any(), z.object({ a: z.int() })), new Map([[{}, { a: 'x' }]])).map(({ message }) => message),
    ['Invalid input: expected number, received string'],
  )
  t.end()
})

t.test('at most 50 issues are reported, of limited length', (t) => {
  const wrong = Array.from({ length: 60 }, () => 'x')
  t.equal(validatorOf(z.array(z.int()))(wrong)?.length, 50)
  t.equal(validatorOf(z.strictObject({}))(Object.fromEntries(wrong.map((_, key) => [key, 1])))?.length, 50)
  const names = Array.from({ length: 5_000 }, (_, index) => `name${index}`)
  const [issue] = validatorOf(z.enum(names))('x') ?? []
  t.match(issue?.message, /^Invalid option: expected one of "name0"\|.{400,500}…$/)
  const long = 'k'.repeat(30_000)
  t.equal(validatorOf(z.record(z.string(), z.array(z.int())))({ [long]: wrong })?.length, 2)
  t.end()
})

t.test('issues that the branches of a recursive union share are visited once', (t) => {
  const Node: z.ZodType = z.lazy(() =>
    // No tag tells them apart, so both are tried.
    z.union([z.object({ a: z.int(), next: Node }), z.object({ a: z.literal(2), next: Node })]),
  )
  let payload: unknown = 'wrong'
  // To visit every branch would take 2 ** 200 steps.
  for (let depth = 0; depth < 200; depth++) payload = { a: 2, next: payload }
  t.strictSame(validatorOf(Node)(payload), [
    { pointer: '/next'.repeat(200), message: 'Invalid input: expected object' },
  ])
  t.end()
})
