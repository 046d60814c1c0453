/** The description of a service module, and which definitions are refused. */
import t from 'tap'
import { z } from 'zod'
import * as mini from 'zod/mini'
import * as z3 from 'zod/v3'
import { describe, describeInput } from './validate-input.ts'

const handler = () => null

t.test('a description is plain JSON, with the schemas, the widened input, and the options of the module', (t) => {
  const input = z.object({ a: z.string().trim().regex(/^x/), b: z.coerce.number(), c: z.date().optional() })
  const output = z.string().transform(Number).pipe(z.number())
  const description = describe({
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
          properties: { a: { type: 'string', pattern: '^x' }, b: { type: 'number' }, c: { not: {} } },
          required: ['a', 'b'],
        },
        widenedInput: { type: 'object', properties: { a: { type: 'string' }, b: {}, c: {} }, required: ['a', 'b'] },
        output: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'number' },
        options: {
          timeoutMs: 5,
          maxAttempts: 3,
          backoffMs: 1_000,
          backoffMaxMs: 60_000,
          priority: 5,
          sensitive: false,
        },
      },
      plain: {
        options: {
          timeoutMs: 30_000,
          maxAttempts: 3,
          backoffMs: 1_000,
          backoffMaxMs: 60_000,
          priority: 5,
          sensitive: false,
        },
      },
    },
  })
  t.end()
})

t.test('constructor and __proto__ are names like any other', (t) => {
  const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
  const methods = Object.fromEntries(
    names.map((name) => [name, { handler, input: z.object({ ['__proto__']: z.int() }) }]),
  )
  for (const copy of [structuredClone, (value: object) => JSON.parse(JSON.stringify(value))]) {
    const description = copy(describe({ methods }))
    t.strictSame(Object.keys(description.methods), names)
    for (const name of names) t.ok(Object.getOwnPropertyDescriptor(description.methods, name)?.value.widenedInput)
  }
  t.throws(() => describe({ methods: Object.fromEntries([['__proto__', {}]]) }), {
    message: /method "__proto__": handler/,
  })
  t.end()
})

t.test('schemas of zod/mini are described like those of zod', (t) => {
  const { input, widenedInput } = describeInput(
    mini.object({ a: mini.optional(mini.string().check(mini.minLength(2))) }),
  )
  t.match(input, { properties: { a: { type: 'string', minLength: 2 } } })
  t.match(widenedInput, { properties: { a: { type: 'string', minLength: 2 } } })
  t.end()
})

t.test('schemas that share an id, or have metadata that is not JSON, are described without them', (t) => {
  const one = z.object({
    a: z.string().meta({ id: 'Name', title: 'one' }),
    b: z.string().max(3).meta({ id: 'Name', title: 'two' }),
  })
  t.match(describeInput(one).input, {
    properties: { a: { type: 'string', title: 'one' }, b: { type: 'string', title: 'two', maxLength: 3 } },
  })
  t.match(describeInput(z.object({ a: z.string().meta({ id: 'Only' }) })).input, {
    $defs: { Only: { type: 'string' } },
  })
  const examples = describeInput(z.object({ a: z.string().meta({ title: 'gone', example: 1n }) }))
  t.match(examples.input, { properties: { a: { type: 'string' } } })
  t.match(examples.widenedInput, { properties: { a: { type: 'string' } } })
  t.end()
})

const REFUSED: [spec: object, message: RegExp][] = [
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

t.test('a wrong definition is refused, with the place, the reason, and the names that exist', (t) => {
  for (const [spec, message] of REFUSED) t.throws(() => describe(spec), { code: 'MODULE_REFUSED', message })
  t.end()
})

t.test('the JSON Schema shows dates as they are sent, and what JSON does not have as no value', (t) => {
  const shown = (schema: z.ZodType, io: 'input' | 'output' = 'input') => {
    return describe({ methods: { go: { [io]: schema, handler } } }).methods.go?.[io]
  }
  const date = { type: 'string', format: 'date-time' }
  t.match(shown(z.object({ at: z.coerce.date() })), { properties: { at: date } })
  t.match(shown(z.date(), 'output'), date)
  t.match(shown(z.void(), 'output'), { type: 'null' })
  t.match(shown(z.coerce.bigint()), { type: ['integer', 'string'] })
  for (const schema of [z.date(), z.bigint(), z.void(), z.map(z.string(), z.int()), z.set(z.int())]) {
    t.same(shown(schema)?.not, {})
  }
  t.end()
})
