/** What the page works out before it draws: text as JSON, trees, filters, timelines, stacks, profiles. */
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { syntaxProblem } from '../../dashboard/source/json/syntax-error.ts'
import { closePart, firstOpen, LARGE_CHARS, LARGE_ROWS, openMore, rowsOf } from '../../dashboard/source/json/tree.ts'
import { listen, publish } from '../../dashboard/source/live/bus.ts'
import { type Invocation, LANGUAGES } from '../../dashboard/source/methods/copy-as.ts'
import { filterText, parseFilter, sinceMs } from '../../dashboard/source/pages/jobs/job-filter.ts'
import { timelineOf } from '../../dashboard/source/pages/job/timeline.ts'
import { boxesOf, frameTree, hottest, timeOf } from '../../dashboard/source/profile/flame.ts'
import { compareStacks } from '../../dashboard/source/stack/diff-stack.ts'

t.test('A text is refused at a line and a column exactly if it is not JSON', async (t) => {
  const parses = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const broken = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', '\n', '01', '\\', '\u0001', '\u0085'))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        broken.map(([json, at, text]) => {
          const place = at % (json.length + 1)
          return json.slice(0, place) + text + json.slice(place + (at % 2))
        }),
      ),
      (text) => (syntaxProblem(text) === undefined) === parses(text),
    ),
    { numRuns: 2_000 },
  )
  t.match(syntaxProblem('{"a": 1,\n "b": [1, 2,, 3]}'), { line: 2, column: 13 })
  t.match(syntaxProblem('{"a": "x\n}'), { line: 1, column: 7, message: 'the text has no closing quote' })
  t.match(syntaxProblem(''), { line: 1, column: 1 })
  t.match(syntaxProblem('['.repeat(5_000)), { message: 'it is nested too deeply' })
})

t.test('Of a large value only the first rows are open; the rest opens on demand', async (t) => {
  const value = { list: Array.from({ length: 50_000 }, (_, n) => ({ n, deep: { n } })), name: 'x' }
  const open = firstOpen(value, LARGE_CHARS + 1)
  const rows = rowsOf(value, open)
  const members = rows.filter(({ content }) => content.kind !== 'end' && content.kind !== 'more')
  t.ok(members.length <= LARGE_ROWS + 1, `${members.length} rows`)
  t.match(
    rows.find(({ content }) => content.kind === 'more' && content.hidden > 40_000),
    { path: '/list' },
  )
  t.ok(rowsOf(value, openMore(open, '/list')).length > rows.length)
  t.equal(rowsOf(value, closePart(open, '')).length, 1)
  t.equal(
    rowsOf({ 'a/b': { '': [] } }, firstOpen({ 'a/b': { '': [] } }, 10)).some(({ path }) => path === '/a~1b/'),
    true,
  )
})

t.test('What is copied for a shell gives the shell the payload as it is, whatever is in it', async (t) => {
  const invocation: Invocation = {
    service: 'rich',
    method: 'any',
    mode: 'cast',
    payload: { text: `it's "quoted" $HOME \`id\` \\ \n שלום` },
    options: { delayMs: 500, idempotencyKey: "it's" },
    origin: 'http://127.0.0.1:8080',
  }
  const wordsOf = (command: string) => {
    const printed = execFileSync('sh', ['-c', `print() { printf '%s\\0' "$@"; }; print ${command}`], {
      encoding: 'utf8',
    })
    return printed.split('\0').slice(0, -1)
  }
  const payload = JSON.stringify(invocation.payload)
  t.same(wordsOf(LANGUAGES.CLI(invocation)), [
    'threadplane',
    'cast',
    'rich',
    'any',
    payload,
    '--key',
    "it's",
    '--delay',
    '500ms',
  ])
  t.same(wordsOf(LANGUAGES.curl(invocation)), [
    'curl',
    '-X',
    'POST',
    'http://127.0.0.1:8080/v1/services/rich/cast/any?delayMs=500',
    '-H',
    'content-type: application/json',
    '-H',
    "idempotency-key: it's",
    '-d',
    payload,
  ])
  t.match(LANGUAGES.TypeScript(invocation), 'const job = await plane.service("rich").cast.any(')
})

t.test('A filter of jobs is the same as text and back, and says what it does not understand', async (t) => {
  const filter = { state: 'failed', service: 'primes', since: '2h' } as const
  t.same(parseFilter(filterText(filter)), { filter })
  t.match(parseFilter('state:broken').problem, 'There is no state broken')
  t.match(parseFilter('since:soon').problem, 'is no time')
  t.match(parseFilter('primes').problem, 'is not understood')
  t.equal(sinceMs('2h', 7_200_001), 1)
  t.equal(sinceMs('2026-01-31T12:00:00Z', 0), Date.UTC(2026, 0, 31, 12))
})

t.test('The timeline of a job has each attempt, with the time before it and within it', async (t) => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString()
  const error = { code: 'METHOD_FAILED', message: 'no' }
  const common = {
    id: 'x',
    service: 's',
    method: 'm',
    maxAttempts: 2,
    priority: 5,
    progress: null,
    expiresAt: null,
    schedule: null,
  }
  const failed = timelineOf({
    ...common,
    state: 'failed',
    attempts: 2,
    history: [
      { number: 1, startedAt: at(1), endedAt: at(3), error },
      { number: 2, startedAt: at(10), endedAt: at(11), error },
    ],
    createdAt: at(0),
    startedAt: at(1),
    finishedAt: at(11),
    notBefore: at(10),
  })
  t.match(failed, [
    { label: 'accepted', afterMs: undefined },
    { label: 'attempt 1', afterMs: 1_000, tookMs: 2_000, tone: 'bad', error: 'METHOD_FAILED' },
    { label: 'attempt 2', afterMs: 7_000, tookMs: 1_000 },
    { label: 'failed', afterMs: undefined, tone: 'bad' },
  ])
  const later = {
    state: 'scheduled' as const,
    attempts: 0,
    history: [],
    createdAt: at(0),
    startedAt: null,
    finishedAt: null,
  }
  t.match(timelineOf({ ...common, ...later, notBefore: at(60) }), [
    { label: 'accepted' },
    { label: 'due', afterMs: 60_000 },
    { label: 'scheduled', at: undefined },
  ])
})

t.test('Two looks at a stack are compared from the outer end', async (t) => {
  const frame = (name: string, line = 1) => ({ function: name, url: 'file:///x.js', line, column: 1 })
  const before = [frame('parse'), frame('read', 5), frame('main')]
  const after = [frame('write'), frame('flush'), frame('read', 9), frame('main')]
  t.same(
    compareStacks(before, after).map(({ frame, change }) => [frame.function, change]),
    [
      ['parse', 'gone'],
      ['write', 'new'],
      ['flush', 'new'],
      ['read', 'moved'],
      ['main', 'same'],
    ],
  )
  t.same(
    compareStacks(undefined, after).map(({ change }) => change),
    ['same', 'same', 'same', 'same'],
  )
})

t.test('A profile becomes a tree of times: waiting is left out, and recursion is counted once', async (t) => {
  const node = (id: number, functionName: string, children: number[] = []) => ({
    id,
    callFrame: {
      functionName,
      url: functionName.startsWith('(') ? '' : 'file:///a.js',
      lineNumber: id,
      columnNumber: 0,
    },
    children,
  })
  const root = frameTree({
    nodes: [
      node(1, '(root)', [2, 3, 6]),
      node(2, '(idle)'),
      node(3, 'main', [4]),
      node(4, 'main', [5]),
      node(5, 'leaf'),
      node(6, '(program)'),
    ],
    startTime: 0,
    endTime: 100,
    samples: [5, 5, 2, 4, 6],
    timeDeltas: [0, 10, 20, 30, 5],
  })
  t.equal(root.total, 10 + 20 + 5, 'each sample lasts until the next one')
  t.match(hottest(root, 2), [
    { name: 'leaf', self: 30 },
    { name: 'main', self: 5 },
  ])
  t.equal(timeOf(root, 'MAIN'), 35, 'main within main is not counted twice')
  const [main] = root.children
  t.ok(main)
  if (main === undefined) return
  const boxes = boxesOf(main)
  t.match(boxes[0], { frame: root, depth: 0, width: 1 }, 'callers of the shown function stay at full width')
  t.match(boxes[1], { frame: main, depth: 1, width: 1 })
})

t.test('The event jobs.skipped tells listeners to events of jobs that they have missed some', async (t) => {
  const told: string[] = []
  const listenAs = (name: string, types: string[]) =>
    listen(
      types,
      () => told.push(`${name}: event`),
      () => told.push(`${name}: gap`),
    )
  const stops = [
    listenAs('a list of jobs', ['job.*']),
    listenAs('failures', ['job.failed', 'job.deleted']),
    listenAs('services', ['service.*', 'stats']),
    listenAs('all events', ['*']),
  ]
  publish({ id: 'a.1', type: 'jobs.skipped', at: '2026-01-01T00:00:00.000Z', count: 7, by: { 'job.started': 7 } })
  t.strictSame(told, ['a list of jobs: gap', 'failures: gap', 'all events: event'])
  for (const stop of stops) stop()
})
