/** P1: what the original schema accepts, the control thread accepts; and what it may refuse, it refuses with pointers. */
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { payloadIssues } from '../src/payload-issues.ts'
import { PayloadValidator } from '../src/payload-validator.ts'
import { defineService } from '../src/thread/define-service.ts'
import { describeService } from '../src/thread/describe.ts'

const RUNS = 5_000

/** The source of a schema, so that a counterexample can be read, and JSON near to what it accepts. */
interface Sample {
  code: string
  values: fc.Arbitrary<unknown>
}

const evaluate = (code: string): z.ZodType => new Function('z', `return ${code}`)(z) as z.ZodType

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
  ['z.json()', [{ a: [1, null] }, 'a']],
]

const STRING_STEPS = [
  '.min(2)',
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

const cases = sample.chain(({ code, values }) => values.map((value): [string, unknown] => [code, value]))

t.test('what the original accepts, the control thread accepts', (t) => {
  let accepted = 0
  fc.assert(
    fc.property(cases, ([code, payload]) => {
      const schema = evaluate(code)
      const issues = validatorOf(schema)(payload)
      const isAccepted = accepts(evaluate(code), payload)
      if (isAccepted) accepted += 1
      return !isAccepted || issues === undefined
    }),
    { numRuns: RUNS },
  )
  t.ok(accepted > RUNS / 4, `the original accepted ${accepted} of ${RUNS} payloads`)
  t.end()
})
