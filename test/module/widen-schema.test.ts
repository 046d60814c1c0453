/**
 * P1: the control thread accepts every payload that the original schema accepts, and runs nothing that a user wrote.
 * `THREADPLANE_SOAK` set: all combinations of the tables, and more random schemas.
 */
import { runInThisContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { schemaWithPayload } from './schema-arbitrary.ts'
import { LEAVES, PLACES, RECORD_KEYS, WRAPPERS } from './schema-tables.ts'
import { accepts, describeInput, validatorOf } from './validate-input.ts'

const SOAK = process.env.THREADPLANE_SOAK !== undefined
const RUNS = SOAK ? 5_000 : 500

const evaluate = (code: string): z.ZodType => runInThisContext(`(z) => ${code}`)(z) as z.ZodType

/** The payloads that the original schema accepts and the control thread refuses. There must be none. */
const wronglyRefused = (code: string, payloads: unknown[]) => {
  const schema = evaluate(code)
  const validate = validatorOf(schema)
  return payloads
    .map((payload) => JSON.parse(JSON.stringify(payload)))
    .filter((payload) => accepts(schema, payload) && validate(payload))
    .map((payload) => `${code} refused ${JSON.stringify(payload)}`)
}

/** In the short form, each schema is tried alone and in two other places, which differ from schema to schema. */
const placesOf = (index: number) =>
  SOAK ? PLACES : PLACES.filter((_, place) => place === 0 || (place + index) % (PLACES.length / 2) === 0)

t.test('a schema of each kind, in every place: what it accepts, the control thread accepts', (t) => {
  const wrapped = WRAPPERS.flatMap((wrapper) =>
    ['z.string()', 'z.literal(1)', 'z.strictObject({ a: z.string() })', 'z.any()'].map((inner): [string, unknown[]] => {
      return [wrapper.replace('§', () => inner), ['a', 1, {}, { a: 'a' }, { a: 'a', b: 1 }]]
    }),
  )
  const refused = [...LEAVES, ...wrapped].flatMap(([code, values], index) =>
    placesOf(index).flatMap(([place, payloads]) =>
      wronglyRefused(
        place.replace('§', () => code),
        [...values, null].flatMap(payloads),
      ),
    ),
  )
  t.strictSame(refused, [])
  t.end()
})

t.test('a record with each kind of key: what it accepts, the control thread accepts', (t) => {
  const kinds = ['record', 'partialRecord', 'looseRecord']
  const values = ['z.int()', 'z.any()', 'z.int().optional()', 'z.coerce.number()', "z.int().or(z.literal('1'))"]
  const refused = RECORD_KEYS.flatMap(([key, names]) => {
    const one = names.flatMap((name) => [1, '1', null].map((value) => Object.fromEntries([[name, value]])))
    const all = [1, 'x'].map((value) => Object.fromEntries(names.map((name) => [name, value])))
    const payloads = [{}, ...one, ...all]
    const records = kinds.flatMap((kind) => values.map((value) => `z.${kind}(${key}, ${value})`))
    return records.flatMap((record) => [
      ...wronglyRefused(record, payloads),
      ...wronglyRefused(`${record}.and(z.looseObject({}))`, payloads),
      ...wronglyRefused(
        `z.union([${record}, z.null()]).and(z.object({ zz: z.null() }))`,
        payloads.map((payload) => ({ ...payload, zz: null })),
      ),
    ])
  })
  t.strictSame(refused, [])
  t.end()
})

t.test('a random schema: what it accepts, the control thread accepts', (t) => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(schemaWithPayload, ([code, payload]) => {
      const schema = evaluate(code)
      const issues = validatorOf(schema)(payload)
      const isAccepted = accepts(evaluate(code), payload)
      if (isAccepted) accepted += 1
      if (issues) refused += 1
      return !isAccepted || issues === undefined
    }),
    { numRuns: RUNS },
  )
  t.ok(accepted > RUNS / 5, `the original accepted ${accepted} of ${RUNS} payloads`)
  t.ok(refused > RUNS / 5, `the control thread refused ${refused} of ${RUNS - accepted} that the original refused`)
  t.end()
})

t.test('no pattern and no function of a user runs on the control thread', (t) => {
  // Each pattern below would take years with this text.
  const hostile = `${'a'.repeat(60)}!`
  const pattern = /^(a+)+$/
  const never = (): never => {
    throw new Error('user code ran')
  }
  const schema = z.object({
    regex: z.string().regex(pattern),
    email: z.email({ pattern }),
    format: z.stringFormat('email', pattern),
    meta: z.string().meta({ pattern: pattern.source }),
    template: z.templateLiteral([z.string().regex(/(a+)+/)]),
    url: z.url({ hostname: pattern }),
    record: z.record(z.string().regex(pattern), z.any()),
    loose: z.looseRecord(z.string().regex(pattern), z.any()),
    refined: z.string().refine(never).superRefine(never).check(never),
    transformed: z.string().transform(never),
    preprocessed: z.preprocess(never, z.string()),
    caught: z.int().catch(never),
    overwritten: z.string().overwrite(never),
    custom: z.custom(never),
    conditional: z.string().min(99, { when: never } as object),
    defaulted: z.string().default(never),
  })
  const keys = Object.keys(schema.shape).filter((key) => key !== 'defaulted')
  const payload = Object.fromEntries(keys.map((key) => [key, hostile]))
  Object.assign(payload, { url: `https://${hostile}`, record: { [hostile]: 1 }, loose: { [hostile]: 1 } })
  t.equal(validatorOf(schema)(payload), undefined)
  t.notMatch(JSON.stringify(describeInput(schema).widenedInput), /a\+/)
  t.end()
})

t.test('a schema that cannot be widened has no widened schema: any JSON is accepted', (t) => {
  const broken = z.lazy(() => {
    throw new Error('broken')
  })
  const endless = (): z.ZodType => z.lazy(() => z.union([z.array(endless()), z.tuple([endless()])]))
  let wide: z.ZodType = z.string()
  for (let depth = 0; depth < 14; depth++) wide = z.tuple([wide, wide])
  const foreign = z.string()
  foreign._zod.version = { ...foreign._zod.version, minor: 0 } as never
  for (const schema of [broken, endless(), z.object({ a: broken })]) {
    const { input, widenedInput, output } = describeInput(schema)
    t.strictSame([input, widenedInput, output], [undefined, undefined, undefined])
  }
  t.equal(describeInput(wide).widenedInput, undefined, 'a schema of more than 10,000 nodes')
  t.equal(describeInput(z.object({ a: foreign })).widenedInput, undefined, 'a schema of another release of zod')
  t.end()
})

t.test('z.json() is widened to any JSON, and a recursive schema is written once', (t) => {
  t.strictSame(describeInput(z.object({ a: z.json(), b: z.json().optional() })).widenedInput, {
    type: 'object',
    properties: { a: {}, b: {} },
    required: ['a'],
  })
  const Tree = z.object({
    get left() {
      return Tree.describe('left').optional()
    },
  })
  t.strictSame(describeInput(z.tuple([Tree, Tree.refine(() => true)])).widenedInput, {
    type: 'array',
    prefixItems: [{ $ref: '#/$defs/0' }, { $ref: '#/$defs/0' }],
    items: false,
    minItems: 2,
    $defs: { 0: { type: 'object', properties: { left: { $ref: '#/$defs/0', default: null } }, required: [] } },
  })
  t.end()
})
