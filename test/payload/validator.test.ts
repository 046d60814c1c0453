/** P1: what the original schema accepts, the control thread accepts; and what it may refuse, it refuses with pointers. */
import { runInThisContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import * as mini from 'zod/mini'
import * as z3 from 'zod/v3'
import { payloadIssues } from '../../src/payload/issues.ts'
import { PayloadValidator } from '../../src/payload/validator.ts'
import { defineService } from '../../src/module/define-service.ts'
import { describeService } from '../../src/module/describe-service.ts'

const RUNS = 1_000

/** The source of a schema, so that a counterexample can be read, and JSON near to what it accepts. */
interface Sample {
  code: string
  values: fc.Arbitrary<unknown>
}

const evaluate = (code: string): z.ZodType => runInThisContext(`(z) => ${code}`)(z) as z.ZodType

const describe = (input: unknown) => {
  const method = { input, handler: () => null } as never
  const { methods } = describeService(defineService({ methods: { method } }))
  return methods.method as (typeof methods)[string]
}

const validatorOf = (schema: z.ZodType) => {
  const validator = new PayloadValidator(JSON.parse(JSON.stringify(describe(schema))))
  return (payload: unknown) => validator.validate(payload)
}

const accepts = (schema: z.ZodType, payload: unknown) => {
  try {
    return schema.safeParse(payload).success
  } catch {
    return false
  }
}

// Leaves: source, and what is near to it.

const TEXTS = [
  '',
  'a',
  'ab',
  ' ab ',
  'ABC',
  'abcdef',
  '💩',
  '💩💩',
  'é',
  '1',
  '0',
  'true',
  'null',
  '__proto__',
  'constructor',
]
const DATES = [
  '2020-01-01',
  '2020-01-01T00:00Z',
  '2020-01-01T00:00:00Z',
  '2020-01-01T00:00:00.123Z',
  '2020-01-01T00:00:00+02:00',
  '2020-01-01T00:00:00',
  '2020-01-01T00:00',
  '12:30',
  '12:30:45.5',
  '12:30:45Z',
  'P1Y2DT3.5S',
  'P2W',
]
const FORMATS: Record<string, string[]> = {
  'email()': ['a@b.co', 'A.b+c@x-y.org', 'ü@x.de', 'a@b'],
  'email({ pattern: z.regexes.html5Email })': ['a@b', 'a!b@c.d', 'a@b.co'],
  'email({ pattern: z.regexes.unicodeEmail })': ['ü@x', 'a@b'],
  'uuid()': [
    '00000000-0000-0000-0000-000000000000',
    '123e4567-e89b-12d3-a456-426614174000',
    '123e4567-e89b-92d3-0456-426614174000',
  ],
  'uuid({ pattern: new RegExp(z.regexes.uuid().source, "i") })': ['FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'],
  'uuidv4()': ['123e4567-e89b-42d3-a456-426614174000'],
  'uuidv7()': ['0190163d-8694-739b-aea5-966c26f8ad91'],
  'guid()': ['123e4567-e89b-92d3-0456-426614174000'],
  'url()': ['https://a.b/c', ' https://a.b ', 'https://a\n.b', 'mailto:x', 'nope'],
  'url({ hostname: /b$/ })': ['https://a.b', ' https://a.b '],
  'httpUrl()': ['http://a.bc', 'https:/a.bc'],
  'emoji()': ['💩', '👍🏽', '1'],
  'nanoid()': ['V1StGXR8_Z5jdHi6B-myT'],
  'nanoid({ length: 3 })': ['abc'],
  'cuid()': ['cjld2cjxh0000qzrmn831i7rn', 'Cabcdefg'],
  'cuid2()': ['tz4a98xxat96iws9zmbrgj3a', 'a'],
  'ulid()': ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01arz3ndektsv4rrffq69g5fav'],
  'xid()': ['9m4e2mr0ui3e8a215n4g'],
  'ksuid()': ['0ujtsYcgvSTl8PAuAdqWYSMnLOv'],
  'ipv4()': ['1.2.3.4', '01.2.3.4'],
  'ipv6()': ['::1', '2001:db8::1', '::ffff:1.2.3.4'],
  'mac()': ['00:11:22:aa:bb:cc', '00-11-22-aa-bb-cc'],
  "mac({ delimiter: '-' })": ['00-11-22-aa-bb-cc'],
  'cidrv4()': ['1.2.3.0/24'],
  'cidrv6()': ['2001:db8::/32'],
  'base64()': ['', 'YQ==', 'YWI=', 'YQ'],
  'base64url()': ['', 'YQ', '_-8'],
  'e164()': ['+491701234567'],
  'creditCard()': ['4111 1111 1111 1111', '4111111111111111'],
  'iban()': ['DE89370400440532013000'],
  'jwt()': ['eyJhbGciOiJIUzI1NiJ9.e30.x', 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x'],
  "jwt({ alg: 'HS256' })": ['eyJhbGciOiJIUzI1NiJ9.e30.x'],
  'hostname()': ['a.b-c', 'localhost'],
  'hex()': ['ff', ''],
  "hash('md5')": ['d41d8cd98f00b204e9800998ecf8427e'],
  'currencyCode()': ['EUR'],
  "stringFormat('email', (s) => s.length < 9)": ['short', 'a@b.co'],
  "stringFormat('uuid', /^u/)": ['u1'],
  "stringFormat('hostname', () => true)": ['not a host'],
  "stringFormat('jwt', () => true)": ['not a token'],
  'string().min(13).check(z.url())': [' https://a.bc '],
  'url().check(z.mac())': [' aa:11:22:33:44:55 '],
  'iso.date()': DATES,
  'iso.time()': DATES,
  'iso.time({ precision: -1 })': DATES,
  'iso.datetime()': DATES,
  'iso.datetime({ offset: true })': DATES,
  'iso.datetime({ local: true })': DATES,
  'iso.datetime({ precision: -1 })': DATES,
  'iso.datetime({ precision: 0, offset: true })': DATES,
  'iso.datetime({ precision: 3 })': DATES,
  'iso.datetime({ pattern: /^20/ })': DATES,
  'iso.duration()': DATES,
  "templateLiteral(['a', z.string()])": TEXTS,
  'stringbool()': ['true', 'yes', 'FALSE', 'no', '1'],
  "stringbool({ truthy: ['a'], falsy: ['ab'], case: 'sensitive' })": TEXTS,
}
const LEAVES: [code: string, values: unknown[]][] = [
  ...Object.entries(FORMATS).map(([code, values]): [string, unknown[]] => [`z.${code}`, values]),
  ['z.boolean()', [true, false, 'true']],
  ['z.null()', [null]],
  ['z.undefined()', [null]],
  ['z.void()', [null]],
  ['z.any()', [1]],
  ['z.unknown()', [1]],
  ['z.never()', [1]],
  ['z.date()', DATES],
  ['z.bigint()', ['1', 1]],
  ['z.nan()', [null]],
  ['z.symbol()', [null]],
  ['z.coerce.string()', [1, null]],
  ['z.coerce.number()', ['1', true, null, '']],
  ['z.coerce.number().min(1)', ['1', true, null, '']],
  ['z.coerce.boolean()', ['x', 0]],
  ['z.coerce.bigint()', ['1', 1, true]],
  ['z.coerce.date()', [...DATES, 0, null]],
  ["z.literal('a')", ['a', 'b']],
  ["z.literal(['a', 1, null, true])", ['a', 1, null, true, 'b']],
  ["z.literal(['a', undefined])", ['a', 'b']],
  ['z.literal([1n, 2])', [1, 2]],
  ['z.literal(-0)', [0]],
  ["z.enum(['a', 'b'])", ['a', 'b', 'c']],
  ["z.enum(['constructor', '__proto__', '1'])", ['constructor', '__proto__', '1', 1]],
  ["z.enum({ A: 0, B: 'b', 0: 'A' })", [0, 'b', 'A']],
  ['z.map(z.string(), z.any())', [{}, []]],
  ['z.set(z.any())', [[]]],
  ['z.file()', [{}]],
  ['z.function()', [{}]],
  ["z.custom((value) => typeof value !== 'number')", ['a', 1, null]],
  ['z.instanceof(Object)', [{}, []]],
  ['z.transform((value) => value)', [1, null]],
  ['z.array(z.int()).refine((array) => array.push(1)).min(2)', [[1]]],
  ['z.json()', [{ a: [1, null] }, 'a']],
]

const STRING_STEPS = [
  '.min(2)',
  '.min(13)',
  '.max(3)',
  '.length(2)',
  '.nonempty()',
  '.trim()',
  '.toLowerCase()',
  '.toUpperCase()',
  '.normalize("NFKD")',
  '.overwrite((s) => s + "xx")',
  '.overwrite(() => "a@b.co")',
  '.check((c) => { c.value = "a@b.co" })',
  '.superRefine(() => {})',
  '.refine((s) => s !== "a")',
  '.min(9, { when: () => false })',
  '.max(1, { abort: true })',
  '.check(z.email({ when: () => false }))',
  '.regex(/^a/)',
  '.startsWith("a")',
  '.endsWith("b")',
  '.includes("b")',
  '.lowercase()',
  '.uppercase()',
  '.check(z.email())',
  '.check(z.url())',
  '.check(z.uuid())',
  '.check(z.iso.datetime())',
  '.check(z.iso.date())',
  '.check(z.ipv4())',
  '.check(z.base64())',
  '.describe("text")',
]
const NUMBER_STEPS = [
  '.min(1)',
  '.max(5)',
  '.gt(0)',
  '.lt(5)',
  '.int()',
  '.positive()',
  '.nonnegative()',
  '.multipleOf(0.5)',
  '.multipleOf(0.1)',
  '.min(-Infinity)',
  '.min(9, { when: () => false })',
  '.overwrite((n) => n * 2)',
  '.overwrite(Math.round)',
  '.check((c) => { c.value = 3 })',
  '.refine((n) => n !== 2)',
  '.superRefine(() => {})',
]
const ARRAY_STEPS = ['', '', '.min(1)', '.max(2)', '.length(1)', '.nonempty()', '.overwrite((a) => a.slice(1)).max(1)']
ARRAY_STEPS.push('.refine((a) => a.push(1)).min(2)', '.min(4, { when: () => false })', '.superRefine(() => {}).max(1)')

// What is put around a schema; § stands for it.
const WRAPPERS = [
  '§.optional()',
  '§.nullable()',
  '§.nullish()',
  '§.readonly()',
  '§.brand()',
  '§.default(null)',
  '§.prefault(null)',
  "§.prefault('a')",
  '§.catch(null)',
  '§.optional().nonoptional()',
  '§.nonoptional()',
  'z.exactOptional(§)',
  'z.success(§)',
  '§.refine(() => true)',
  '§.superRefine(() => {})',
  '§.overwrite((value) => value)',
  '§.check((c) => { c.value = null })',
  '§.transform((value) => value)',
  '§.transform(() => undefined)',
  '§.pipe(z.any())',
  '§.optional().transform((value) => value ?? 1)',
  'z.pipe(z.any(), §)',
  'z.string().transform((s) => Number(s)).pipe(z.number()).or(§)',
  'z.preprocess((value) => value ?? null, §)',
  "z.preprocess(() => 'a', §)",
  'z.codec(§, z.any(), { decode: (v) => v, encode: (v) => v })',
  'z.lazy(() => §)',
  'z.union([§])',
  '§.or(z.undefined())',
  '§.or(z.string().trim())',
  "§.describe('d')",
  "§.meta({ id: 'same' })",
  "§.meta({ type: 'string', pattern: '^x', not: {}, minLength: 99, default: 1 })",
]

const KEYS = ['a', 'b', 'c', '1', 'x/y', 'constructor', '__proto__', 'toString']

// Key schemas of records, and keys near to them.
const RECORD_KEYS: [code: string, keys: string[]][] = [
  ['z.string()', KEYS],
  ['z.string().min(2)', ['a', 'ab', 'abc']],
  ['z.string().regex(/^a/)', ['a', 'ab', 'b']],
  ['z.string().toLowerCase()', ['A', 'b']],
  ["z.string().overwrite(() => '__proto__')", ['a', 'b']],
  ["z.string().transform(() => '__proto__')", ['a', 'b']],
  ['z.email()', ['a@b.co', 'a']],
  ["z.enum(['a', 'b'])", ['a', 'b', 'c']],
  ["z.enum(['a', 'b']).overwrite(() => '__proto__')", ['a', 'b']],
  ["z.enum(['a']).catch('a')", ['a', 'b']],
  ["z.enum(['a', '__proto__'])", ['a', '__proto__']],
  ["z.literal(['a', 1])", ['a', '1', '01', '1.0']],
  ["z.literal('a').or(z.literal('b'))", ['a', 'b']],
  ['z.number()', ['1', '-1.5', '01', 'a']],
  ['z.int().min(1)', ['1', '0', '1.5']],
  ["z.union([z.number(), z.enum(['a'])])", ['1', 'a', 'b']],
  ["z.templateLiteral(['a', z.string()])", ['a', 'ab', 'b']],
  ['z.coerce.number()', ['1', 'a', '']],
  ['z.uuid()', ['123e4567-e89b-42d3-a456-426614174000', 'a']],
]

const RECURSIONS: [getter: string, wrap: (next: unknown) => unknown][] = [
  ['N.optional()', (next) => next],
  ['N.nullable().default(null)', (next) => next],
  ['z.array(N).optional()', (next) => [next]],
  ["N.describe('again').optional()", (next) => next],
  ['N.and(z.object({ a: z.any() })).optional()', (next) => next],
  ['z.union([N, z.string()]).optional()', (next) => next],
  ['z.record(z.string(), N).optional()', (next) => ({ k: next })],
  ['z.lazy(() => N).optional()', (next) => next],
  ['z.tuple([z.int()], N).optional()', (next) => [1, next]],
  ['N.refine(() => true).catch(null).optional()', (next) => next],
  ['z.lazy(() => z.union([N, z.intersection(N, z.looseObject({}))])).optional()', (next) => next],
]

const NOISE = fc.constantFrom<unknown>(null, true, 0, 1, 1.5, 2, -1, '', 'a', 'ab', [], ['a'], {}, { a: 1 }, { b: 'a' })

const near = (values: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 30, arbitrary: values }, { weight: 1, arbitrary: NOISE })
const leaf = ([code, values]: [string, unknown[]]): Sample => ({ code, values: fc.constantFrom(...values) })
const steps = (base: string[], chain: string[], values: unknown[]) =>
  fc
    .tuple(fc.constantFrom(...base), fc.array(fc.constantFrom(...chain), { maxLength: 3 }))
    .map(([start, chained]) => leaf([start + chained.join(''), values]))

const NUMBERS = [0, 0.1, 0.3, 0.5, 1, 1.5, 2, 3, 5, 6, -1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e300]
const BASES = ['z.number()', 'z.int()', 'z.int32()', 'z.uint32()', 'z.float32()', 'z.float64()']
const leaves = fc.oneof(
  fc.constantFrom(...LEAVES).map(leaf),
  steps(['z.string()'], STRING_STEPS, [...TEXTS, ...DATES, 'a@b.co', ' https://a.bc ', 'YQ==']),
  steps(
    Object.keys(FORMATS)
      .slice(0, 12)
      .map((format) => `z.${format}`),
    STRING_STEPS,
    Object.values(FORMATS).slice(0, 12).flat(),
  ),
  steps(BASES, NUMBER_STEPS, NUMBERS),
)

type Members = [key: string, sample: Sample][]

const shape = (members: Members, ...more: string[]) =>
  `{ ${[...members.map(([key, { code }]) => `[${JSON.stringify(key)}]: ${code}`), ...more].join(', ')} }`

/** An object with most of the members, and seldom another. */
const membersOf = (members: Members, more = fc.constant<[string, unknown][]>([])) => {
  const entries = members.map(([key, { values }]) =>
    fc.option(
      values.map((value) => [key, value] as const),
      { freq: 6 },
    ),
  )
  return fc.tuple(fc.tuple(...entries), more).map(([own, others]) => {
    return Object.fromEntries([...others, ...own.filter((entry) => entry !== null)])
  })
}

const other = (sample: Sample) =>
  fc
    .option(fc.tuple(fc.constantFrom(...KEYS), fc.oneof(sample.values, NOISE)), { freq: 2 })
    .map((entry) => (entry ? [entry] : []))

const merge = (left: unknown, right: unknown) =>
  [left, right].every((side) => typeof side === 'object' && side !== null && !Array.isArray(side))
    ? { ...(left as object), ...(right as object) }
    : left

const isIt = (sample: Sample): Sample => ({ ...sample, values: near(sample.values) })

const { sample } = fc.letrec<{ sample: Sample; members: Members }>((tie) => {
  const some = tie('sample')
  const members = tie('members')
  const several = fc.array(some, { minLength: 1, maxLength: 3 })
  const oneOf = (samples: Sample[]) => fc.oneof(...samples.map(({ values }) => values))
  const codes = (samples: Sample[]) => samples.map(({ code }) => code).join(', ')

  const wrapped = fc
    .tuple(some, fc.constantFrom(...WRAPPERS))
    .map(([{ code, values }, wrapper]) => ({ code: wrapper.replace('§', () => code), values }))
  const array = fc.tuple(some, fc.constantFrom(...ARRAY_STEPS)).map(([{ code, values }, step]) => ({
    code: `z.array(${code})${step}`,
    values: fc.array(values, { maxLength: 3 }),
  }))
  const tuple = fc.tuple(several, fc.option(some)).map(([items, rest]) => ({
    code: `z.tuple([${codes(items)}]${rest ? `, ${rest.code}` : ''})`,
    values: fc
      .tuple(
        fc.tuple(...items.map(({ values }) => values)),
        fc.array(rest?.values ?? NOISE, { maxLength: rest ? 2 : 1 }),
        fc.nat(3),
      )
      .map(([all, more, cut]) => (cut < all.length ? all.slice(0, all.length - cut) : [...all, ...more])),
  }))
  const object = fc
    .tuple(
      members,
      some,
      fc.constantFrom('', '', '.strict()', '.strict()', '.loose()', '.catchall', '.partial()', '.required()'),
    )
    .map(([own, rest, kind]) => ({
      code: `z.object(${shape(own)})${kind === '.catchall' ? `.catchall(${rest.code})` : kind}`,
      values: membersOf(own, other(rest)),
    }))
  const union = fc.tuple(several, fc.constantFrom('union', 'union', 'xor')).map(([options, kind]) => ({
    code: `z.${kind}([${codes(options)}])`,
    values: oneOf(options),
  }))
  const discriminated = fc
    .tuple(
      fc.array(members, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('z.object', 'z.strictObject', 'z.looseObject'),
      fc.boolean(),
    )
    .map(([options, kind, fallback]) => {
      const tagged = options.map(
        (own, index): Members => [
          ...own.filter(([key]) => key !== 'tag'),
          [
            'tag',
            index === 2
              ? leaf(["z.literal('t2').optional()", ['t2']])
              : leaf([`z.literal(['t${index}', ${index}])`, [`t${index}`, index]]),
          ],
        ],
      )
      return {
        code: `z.discriminatedUnion('tag', [${tagged.map((own) => `${kind}(${shape(own)})`).join(', ')}]${fallback ? ', { unionFallback: true }' : ''})`,
        values: fc.oneof(...tagged.map((own) => membersOf(own))),
      }
    })
  const intersection = fc.tuple(some, some).map(([left, right]) => ({
    code: `z.intersection(${left.code}, ${right.code})`,
    values: fc.tuple(left.values, right.values).map(([one, two]) => merge(one, two)),
  }))
  const objects = fc.tuple(object, fc.oneof(object, discriminated, union)).map(([left, right]) => ({
    code: `${left.code}.and(${right.code})`,
    values: fc.tuple(left.values, right.values).map(([one, two]) => merge(one, two)),
  }))
  const record = fc
    .tuple(fc.constantFrom(...RECORD_KEYS), some, fc.constantFrom('record', 'record', 'partialRecord', 'looseRecord'))
    .map(([[key, keys], { code, values }, kind]) => ({
      code: `z.${kind}(${key}, ${code})`,
      values: fc
        .array(fc.tuple(fc.constantFrom(...keys), values), { maxLength: 3 })
        .map((entries) => Object.fromEntries(entries)),
    }))
  const recursive = fc
    .tuple(members, fc.constantFrom('z.object', 'z.strictObject'), fc.constantFrom(...RECURSIONS))
    .map(([own, kind, [getter, wrap]]) => {
      const { node } = fc.letrec<{ node: unknown }>((again) => ({
        node: fc
          .tuple(membersOf(own), fc.option(again('node').map(wrap), { freq: 3, maxDepth: 3, depthSize: 'small' }))
          .map(([one, next]) => (next === null ? one : { ...one, next })),
      }))
      const code = shape(
        own.filter(([key]) => key !== 'next'),
        `get next() { return ${getter} }`,
      )
      return { code: `(() => { const N = ${kind}(${code}); return N })()`, values: node }
    })

  return {
    members: fc.uniqueArray(fc.tuple(fc.constantFrom(...KEYS), some), { maxLength: 3, selector: ([key]) => key }),
    sample: fc
      .oneof(
        { maxDepth: 4, depthSize: 'small' },
        leaves,
        wrapped,
        wrapped,
        array,
        tuple,
        object,
        object,
        union,
        discriminated,
        intersection,
        objects,
        record,
        recursive,
      )
      .map(isIt),
  }
})

// What surrounds a schema, and payloads that hold what is meant for it.
const PLACES: [code: string, payloads: (value: unknown) => unknown[]][] = [
  ['§', (value) => [value]],
  ['z.object({ p: § })', (value) => [{ p: value }, {}]],
  ['z.array(§)', (value) => [[value]]],
  ['z.tuple([z.int(), §])', (value) => [[1, value], [1]]],
  ['z.tuple([§, z.int().optional()])', (value) => [[value, 1], [value], []]],
  ['z.tuple([§, z.any()], z.null())', (value) => [[value, 1, null], [value], []]],
  ['z.tuple([z.any()], §)', (value) => [[1, value, value], []]],
  ['z.object({ a: z.int() }).catchall(§)', (value) => [{ a: 1, b: value }]],
  ['z.record(z.string(), §)', (value) => [{ p: value }]],
  ["z.record(z.enum(['p', 'q']), §)", (value) => [{ p: value, q: value }, { p: value }, {}]],
  ['z.union([z.int(), §])', (value) => [value, 1]],
  ['z.intersection(z.any(), §)', (value) => [value]],
  ['z.strictObject({ p: z.int() }).and(§)', (value) => [merge(value, { p: 1 })]],
  ['z.lazy(() => z.union([z.int(), §]))', (value) => [value]],
]

/** Those of the payloads that the original accepts and the control thread does not. */
const wronglyRefused = (code: string, payloads: unknown[]) => {
  const schema = evaluate(code)
  const validate = validatorOf(schema)
  return payloads
    .map((payload) => JSON.parse(JSON.stringify(payload)))
    .filter((payload) => accepts(schema, payload) && validate(payload))
    .map((payload) => `${code} refused ${JSON.stringify(payload)}`)
}

t.test('a schema of each kind refuses nothing that the original accepts, in every place', (t) => {
  const wrapped = WRAPPERS.flatMap((wrapper) =>
    ['z.string()', 'z.literal(1)', 'z.strictObject({ a: z.string() })', 'z.any()'].map((inner): [string, unknown[]] => {
      return [wrapper.replace('§', () => inner), ['a', 1, {}, { a: 'a' }, { a: 'a', b: 1 }]]
    }),
  )
  const refused = [...LEAVES, ...wrapped].flatMap(([code, values]) =>
    PLACES.flatMap(([place, payloads]) =>
      wronglyRefused(
        place.replace('§', () => code),
        [...values, null].flatMap(payloads),
      ),
    ),
  )
  t.strictSame(refused, [])
  t.end()
})

t.test('a record with each kind of key refuses nothing that the original accepts', (t) => {
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

const cases = sample.chain(({ code, values }) => values.map((value): [string, unknown] => [code, value]))

t.test('what the original accepts, the control thread accepts', (t) => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(cases, ([code, payload]) => {
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

// What it does refuse.

const Kind = {
  circle: z.object({ kind: z.literal('circle'), r: z.number() }),
  box: z.object({ kind: z.literal('box'), w: z.number() }),
}

const REFUSALS: [title: string, schema: z.ZodType, payload: unknown, pointers: string[]][] = [
  [
    'a wrong type',
    z.object({ a: z.string(), b: z.boolean(), c: z.null() }),
    { a: 1, b: 'x', c: 0 },
    ['/a', '/b', '/c'],
  ],
  ['a missing key', z.object({ a: z.object({ b: z.string() }) }), { a: {} }, ['/a/b']],
  ['no object at all', z.object({ a: z.string() }), [], ['']],
  ['numbers out of range', z.array(z.number().min(1).lt(5)), [0, 1, 4.9, 5], ['/0', '/3']],
  ['numbers out of the tightest range', z.array(z.number().min(3).min(1).max(7).max(9)), [2, 3, 7, 8], ['/0', '/3']],
  ['what is no integer of its kind', z.array(z.int32()), [1.5, 2 ** 31, 1], ['/0', '/1']],
  ['what is no multiple', z.array(z.number().multipleOf(0.5)), [0.5, 0.6], ['/1']],
  ['texts of a wrong length', z.array(z.string().min(2).min(1).max(3)), ['a', '💩', 'abcd', 'abc'], ['/0', '/1', '/2']],
  ['texts of a wrong length, before what trims', z.array(z.string().min(2).trim().min(9)), ['a', 'ab'], ['/0']],
  [
    'texts of a wrong length, after a refinement',
    z.array(
      z
        .string()
        .refine(() => true)
        .max(1),
    ),
    ['ab'],
    ['/0'],
  ],
  ['texts that only look trimmed', z.array(z.string().trim()), [1, 'a'], ['/0']],
  ['arrays of a wrong length', z.array(z.array(z.any()).nonempty().max(1)), [[], [1], [1, 2]], ['/0', '/2']],
  [
    'formats',
    z.object({ a: z.email(), b: z.uuid(), c: z.iso.datetime(), d: z.ipv4() }),
    { a: 'a', b: 'b', c: 'c', d: 'd' },
    ['/a', '/b', '/c', '/d'],
  ],
  ['other values than the named', z.object({ a: z.enum(['x', 'y']), b: z.literal(1) }), { a: 'z', b: 2 }, ['/a', '/b']],
  ['unknown keys of a strict object', z.strictObject({ a: z.any() }), { a: 1, b: 1, 'c/d~': 1 }, ['/b', '/c~1d~0']],
  ['other keys than the catchall takes', z.object({ a: z.any() }).catchall(z.int()), { a: 'x', b: 'x' }, ['/b']],
  ['values of a record', z.record(z.string().regex(/./), z.int()), { a: 1, b: 'x' }, ['/b']],
  ['missing and unknown keys of a record', z.record(z.enum(['a', 'b']), z.int()), { a: 1, c: 1 }, ['/b', '/c']],
  ['parts of a tuple', z.tuple([z.int(), z.string()], z.boolean()), ['1', 'a', true, 1], ['/0', '/3']],
  [
    'a tuple too short or too long',
    z.array(z.tuple([z.int(), z.int().optional()])),
    [[], [1], [1, 2], [1, 2, 3]],
    ['/0', '/3'],
  ],
  ['both sides of an intersection', z.object({ a: z.int() }).and(z.object({ b: z.int() })), { a: 'x' }, ['/a', '/b']],
  [
    'an object beside a union',
    z.object({ a: z.int() }).and(z.union(Object.values(Kind))),
    { kind: 'box', w: 1 },
    ['/a'],
  ],
  ['what goes into a pipe', z.object({ a: z.string().transform(Number).pipe(z.number()) }), { a: 1 }, ['/a']],
  ['what has a default', z.object({ a: z.string().default('x') }), { a: 1 }, ['/a']],
  ['null where it is optional', z.object({ a: z.string().optional() }), { a: null }, ['/a']],
  ['names that objects inherit', z.object({ constructor: z.string(), ['__proto__']: z.int() }), {}, ['/constructor']],
]

for (const [title, schema, payload, pointers] of REFUSALS) {
  t.test(`the control thread refuses ${title}`, (t) => {
    const issues = validatorOf(schema)(payload)
    t.strictSame(issues?.map(({ pointer }) => pointer).sort(), pointers)
    t.notOk(accepts(schema, payload), 'as the original does')
    t.end()
  })
}

t.test('what is wrong deep in a recursive payload has a pointer to it', (t) => {
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

t.test('of a union, the issues of the closest branch are told', (t) => {
  const told = (schema: z.ZodType, payload: unknown) => {
    const { error } = schema.safeParse(payload)
    const ofTheThread = error && payloadIssues(error)
    const ofTheControlThread = validatorOf(schema)(payload)
    t.strictSame(
      ofTheControlThread?.map(({ pointer }) => pointer),
      ofTheThread?.map(({ pointer }) => pointer),
    )
    return ofTheControlThread?.map(({ pointer, message }) => `${pointer} ${message}`)
  }
  const { circle, box } = Kind
  t.strictSame(
    told(z.union([circle, box]), { kind: 'box', w: 'x' }),
    ['/w Invalid input: expected number, received string'],
    'the branch whose tag fits',
  )
  t.strictSame(
    told(z.object({ shapes: z.array(z.union([z.string(), box, circle])) }), { shapes: ['a', { kind: 'circle' }] }),
    ['/shapes/1/r Invalid input: expected number, received undefined'],
    'the branch whose type fits',
  )
  t.strictSame(
    told(z.union([z.object({ a: z.object({ b: z.int() }) }), z.object({ c: z.int() })]), { a: { b: 'x' } }),
    ['/a/b Invalid input: expected number, received string'],
    'the branch where the trouble lies deeper',
  )
  t.strictSame(
    told(z.union([z.object({ a: z.int(), b: z.int() }), z.object({ c: z.int() })]), { c: 'x' }),
    ['/c Invalid input: expected number, received string'],
    'the branch with less trouble',
  )
  t.strictSame(
    told(z.object({ a: z.union([z.union([box, circle]).nullable(), z.int()]) }), { a: { kind: 'box', w: null } }),
    ['/a/w Invalid input: expected number, received null'],
    'through unions of unions',
  )
  t.strictSame(told(z.object({ a: z.union([z.string(), z.int(), z.literal('x')]).nullable() }), { a: true }), [
    '/a Invalid input: expected string or number or "x" or null',
  ])
  t.strictSame(told(z.array(z.string().min(2).or(z.int())), ['a']), [
    '/0 Too small: expected string to have >=2 characters',
  ])
  t.end()
})

t.test('an original schema tells pointers to keys, elements and unions too', (t) => {
  const issues = (schema: z.ZodType, payload: unknown) => payloadIssues(schema.safeParse(payload).error as z.ZodError)
  t.strictSame(issues(z.record(z.string().regex(/^a/), z.int()), { 'b~/': 1 }), [
    { pointer: '/b~0~1', message: 'Invalid key in record: Invalid string: must match pattern /^a/' },
  ])
  t.strictSame(issues(z.discriminatedUnion('kind', [Kind.box, Kind.circle]), { kind: 'x' }), [
    { pointer: '/kind', message: "Invalid discriminator value. Expected 'box' | 'circle'" },
  ])
  t.strictSame(issues(z.xor([z.int(), z.number()]), 1), [
    { pointer: '', message: 'Invalid input: more than one option matched' },
  ])
  t.strictSame(issues(z.union([z.int(), z.email()], 'Give a number or an address'), null), [
    { pointer: '', message: 'Give a number or an address' },
  ])
  t.strictSame(
    issues(z.map(z.any(), z.object({ a: z.int() })), new Map([[{}, { a: 'x' }]])).map(({ message }) => message),
    ['Invalid input: expected number, received string'],
  )
  t.end()
})

t.test('at most 50 issues are told, of bounded length', (t) => {
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

t.test('a large payload is refused at its first wrong part, and not by an issue for each of them', (t) => {
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

t.test('what errors the branches of a recursive union share is looked at once', (t) => {
  const Node: z.ZodType = z.lazy(() =>
    z.union([z.object({ a: z.literal(1), next: Node }), z.object({ a: z.literal(2), next: Node })]),
  )
  let payload: unknown = 'wrong'
  // A walk of every branch would take 2 ** 200 steps.
  for (let depth = 0; depth < 200; depth++) payload = { a: 2, next: payload }
  t.strictSame(validatorOf(Node)(payload), [
    { pointer: '/next'.repeat(200), message: 'Invalid input: expected object' },
  ])
  t.end()
})

t.test('nothing that a user wrote runs on the control thread', (t) => {
  // Each of these patterns takes years on this text.
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
  t.notMatch(JSON.stringify(describe(schema).widenedInput), /a\+/)
  t.end()
})

t.test('a payload 200,000 deep is left to the thread', (t) => {
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
    'even if another part of it is wrong',
  )
  t.end()
})

t.test('where nothing can be rebuilt, any JSON is accepted', (t) => {
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

// What a service says about itself.

const service = (spec: object) => describeService(defineService(spec as never))
const handler = () => null

t.test('a description is plain JSON, with the schemas unwidened and the options that were given', (t) => {
  const input = z.object({ a: z.string().trim().regex(/^x/), b: z.coerce.number(), c: z.date().optional() })
  const output = z.string().transform(Number).pipe(z.number())
  const description = service({
    description: 'A service',
    threads: 2,
    restart: { maxRestarts: 1, periodMs: undefined },
    numWorkers: undefined,
    methods: {
      run: { description: 'Runs', input, output, handler, timeoutMs: 5, priority: undefined },
      plain: { handler },
    },
    tasks: { watch: handler },
    timers: { tick: { everyMs: 10, run: handler } },
    onThreadStarted: handler,
  })
  t.strictSame(JSON.parse(JSON.stringify(description)), description)
  t.strictSame(description, {
    description: 'A service',
    options: { threads: 2, restart: { maxRestarts: 1 } },
    methods: {
      run: {
        description: 'Runs',
        input: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          properties: { a: { type: 'string', pattern: '^x' }, b: { type: 'number' }, c: {} },
          required: ['a', 'b'],
        },
        widenedInput: { type: 'object', properties: { a: { type: 'string' }, b: {}, c: {} }, required: ['a', 'b'] },
        output: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'number' },
        options: { timeoutMs: 5, maxAttempts: 3, backoffMs: 1_000, backoffMaxMs: 60_000, priority: 5 },
      },
      plain: { options: { timeoutMs: 30_000, maxAttempts: 3, backoffMs: 1_000, backoffMaxMs: 60_000, priority: 5 } },
    },
  })
  t.end()
})

t.test('names such as constructor and __proto__ are only names', (t) => {
  const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
  const methods = Object.fromEntries(
    names.map((name) => [name, { handler, input: z.object({ ['__proto__']: z.int() }) }]),
  )
  for (const copy of [structuredClone, (value: object) => JSON.parse(JSON.stringify(value))]) {
    const description = copy(service({ methods }))
    t.strictSame(Object.keys(description.methods), names)
    for (const name of names) t.ok(Object.getOwnPropertyDescriptor(description.methods, name)?.value.widenedInput)
  }
  t.throws(() => service({ methods: Object.fromEntries([['__proto__', {}]]) }), {
    message: /method "__proto__": handler/,
  })
  t.end()
})

t.test('schemas of zod/mini are described as those of zod', (t) => {
  const { input, widenedInput } = describe(mini.object({ a: mini.optional(mini.string().check(mini.minLength(2))) }))
  t.match(input, { properties: { a: { type: 'string', minLength: 2 } } })
  t.match(widenedInput, { properties: { a: { type: 'string', minLength: 2 } } })
  t.end()
})

t.test('schemas that share an id, or have metadata that is not JSON, are described all the same', (t) => {
  const one = z.object({
    a: z.string().meta({ id: 'Name', title: 'one' }),
    b: z.string().max(3).meta({ id: 'Name', title: 'two' }),
  })
  t.match(describe(one).input, {
    properties: { a: { type: 'string', title: 'one' }, b: { type: 'string', title: 'two', maxLength: 3 } },
  })
  t.match(describe(z.object({ a: z.string().meta({ id: 'Only' }) })).input, { $defs: { Only: { type: 'string' } } })
  const examples = describe(z.object({ a: z.string().meta({ title: 'gone', example: 1n }) }))
  t.match(examples.input, { properties: { a: { type: 'string' } } })
  t.match(examples.widenedInput, { properties: { a: { type: 'string' } } })
  t.end()
})

t.test('what cannot be written down is left out, and any JSON is taken', (t) => {
  const broken = z.lazy(() => {
    throw new Error('broken')
  })
  const endless = (): z.ZodType => z.lazy(() => z.union([z.array(endless()), z.tuple([endless()])]))
  let wide: z.ZodType = z.string()
  for (let depth = 0; depth < 14; depth++) wide = z.tuple([wide, wide])
  const foreign = z.string()
  foreign._zod.version = { ...foreign._zod.version, minor: 0 } as never
  for (const schema of [broken, endless(), z.object({ a: broken })]) {
    const { input, widenedInput, output } = describe(schema)
    t.strictSame([input, widenedInput, output], [undefined, undefined, undefined])
  }
  t.equal(describe(wide).widenedInput, undefined, 'a schema of more than 10,000 nodes')
  t.equal(describe(z.object({ a: foreign })).widenedInput, undefined, 'a schema of another release of zod')
  t.end()
})

t.test('any JSON and a shared schema are told shortly', (t) => {
  t.strictSame(describe(z.object({ a: z.json(), b: z.json().optional() })).widenedInput, {
    type: 'object',
    properties: { a: {}, b: {} },
    required: ['a'],
  })
  const Tree = z.object({
    get left() {
      return Tree.describe('left').optional()
    },
  })
  t.strictSame(describe(z.tuple([Tree, Tree.refine(() => true)])).widenedInput, {
    type: 'array',
    prefixItems: [{ $ref: '#/$defs/0' }, { $ref: '#/$defs/0' }],
    items: false,
    minItems: 2,
    $defs: { 0: { type: 'object', properties: { left: { $ref: '#/$defs/0', default: null } }, required: [] } },
  })
  t.end()
})

const MODULES_REFUSED: [spec: object, message: RegExp][] = [
  [{}, /^the service: methods: expected an object of names$/],
  [{ methods: [] }, /^the service: methods: expected an object of names$/],
  [{ methods: {} }, /^the service: methods: expected at least one method$/],
  [{ methods: { 'a b': { handler } } }, /^method "a b": a name must match \^\[A-Za/],
  [{ methods: { ['a'.repeat(64)]: { handler } } }, /a name must match/],
  [{ methods: { a: null } }, /^method "a": Invalid input: expected object, received null$/],
  [{ methods: { a: handler } }, /^method "a": Invalid input: expected object, received function$/],
  [{ methods: { a: {} } }, /^method "a": handler: expected a function$/],
  [{ methods: { a: { handler: 'x' } } }, /^method "a": handler: expected a function$/],
  [{ methods: { a: { handler, input: { type: 'string' } } } }, /^method "a": input: expected a schema of zod 4/],
  [{ methods: { a: { handler, output: z3.z.string() } } }, /^method "a": output: expected a schema of zod 4/],
  [{ methods: { a: { handler, timeoutMs: 0 } } }, /^method "a": timeoutMs: Too small: expected number to be >=1$/],
  [{ methods: { a: { handler, maxAttempts: '3' } } }, /^method "a": maxAttempts: Invalid input: expected number/],
  [{ methods: { a: { handler, priority: 10 } } }, /^method "a": priority: Too big/],
  [
    { methods: { a: { handler, timeout: 1 } } },
    /^method "a": timeout: Unrecognized key; it takes .*handler, timeoutMs/,
  ],
  [{ methods: { a: { handler, description: 1 } } }, /^method "a": description: /],
  [{ methods: { a: { handler } }, thread: 2 }, /^the service: thread: Unrecognized key; it takes .*threads/],
  [{ methods: { a: { handler } }, threads: 0 }, /^the service: threads: Too small/],
  [{ methods: { a: { handler } }, restart: { strategy: 'x' } }, /^the service: restart\.strategy: Invalid option/],
  [{ methods: { a: { handler } }, restart: { max: 1 } }, /^the service: restart\.max: Unrecognized key$/],
  [{ methods: { a: { handler } }, onStart: 'x' }, /^the service: onStart: expected a function$/],
  [{ methods: { a: { handler } }, tasks: { b: 1 } }, /^task "b": expected a function$/],
  [{ methods: { a: { handler } }, tasks: { '': handler } }, /^task "": a name must match/],
  [{ methods: { a: { handler } }, timers: { c: handler } }, /^timer "c": Invalid input: expected object/],
  [{ methods: { a: { handler } }, timers: { c: { everyMs: 0, run: handler } } }, /^timer "c": everyMs: Too small/],
  [{ methods: { a: { handler } }, timers: { c: { everyMs: 2 ** 31, run: handler } } }, /^timer "c": everyMs: Too big/],
  [{ methods: { a: { handler } }, timers: { c: { everyMs: 9 } } }, /^timer "c": run: expected a function$/],
]

t.test('a module that is no service is refused with what is wrong and what it takes', (t) => {
  for (const [spec, message] of MODULES_REFUSED) t.throws(() => service(spec), { code: 'MODULE_REFUSED', message })
  t.end()
})
