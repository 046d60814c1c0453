/** Random zod schemas, nested up to four deep, each with random payloads near to what it accepts (fast-check). */
import fc from 'fast-check'
import {
  ARRAY_STEPS,
  DATES,
  FORMATS,
  KEYS,
  LEAVES,
  mergeObjects,
  NUMBER_STEPS,
  RECORD_KEYS,
  RECURSIONS,
  STRING_STEPS,
  TEXTS,
  WRAPPERS,
} from './schema-tables.ts'

/** The source of a schema, so that a counterexample can be read, and payloads near to what it accepts. */
interface Sample {
  code: string
  values: fc.Arbitrary<unknown>
}

const NOISE = fc.constantFrom<unknown>(null, true, 0, 1, 1.5, 2, -1, '', 'a', 'ab', [], ['a'], {}, { a: 1 }, { b: 'a' })

/** Mostly one of the values, seldom something else. */
const near = (values: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 30, arbitrary: values }, { weight: 1, arbitrary: NOISE })
const leaf = ([code, values]: [string, unknown[]]): Sample => ({ code, values: fc.constantFrom(...values) })
/** A schema with up to three steps chained to it. */
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

/** The source of an object shape. */
const shape = (members: Members, ...more: string[]) =>
  `{ ${[...members.map(([key, { code }]) => `[${JSON.stringify(key)}]: ${code}`), ...more].join(', ')} }`

/** Objects with most of the members, and sometimes with others. */
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

/** Sometimes a member with a value of the sample or with noise. */
const other = (sample: Sample) =>
  fc
    .option(fc.tuple(fc.constantFrom(...KEYS), fc.oneof(sample.values, NOISE)), { freq: 2 })
    .map((entry) => (entry ? [entry] : []))

const withNoise = (sample: Sample): Sample => ({ ...sample, values: near(sample.values) })

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
    values: fc.tuple(left.values, right.values).map(([one, two]) => mergeObjects(one, two)),
  }))
  const objects = fc.tuple(object, fc.oneof(object, discriminated, union)).map(([left, right]) => ({
    code: `${left.code}.and(${right.code})`,
    values: fc.tuple(left.values, right.values).map(([one, two]) => mergeObjects(one, two)),
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
      .map(withNoise),
  }
})

/** A schema and one payload. */
export const schemaWithPayload = sample.chain(({ code, values }) =>
  values.map((value): [code: string, payload: unknown] => [code, value]),
)
