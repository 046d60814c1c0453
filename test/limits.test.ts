/** docs/limits.md lists every limit. Each line is compared with the source, and each limit in the source needs a line. */
import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { SETTINGS } from '../src/config.ts'
import { METHOD_DEFAULTS, resolveServiceOptions } from '../src/contract/options.ts'

/** Constants that look like limits by their names and are none that a user can meet. */
const NO_LIMITS = new Set([
  'LARGE_BYTES in src/payload/return-memory.ts', // nothing is refused
  'MOST_HEAP_BYTES in src/payload/return-memory.ts',
  'MAX_TIMER_MS in src/contract/options.ts', // Node has no longer timers
  'MAX_TIMER_MS in src/module/describe-service.ts',
  'MAX_TIMER_MS in src/queue/queued-method.ts',
  'MAX_TIMER_MS in src/jobs/cast-feed.ts', // the wait is repeated
  'MAX_TIMER_MS in src/jobs/schedule-ticks.ts',
  'MAX_SEQUENCE in src/protocol/slots.ts', // the numbers begin again
  'MAX_INT32 in src/protocol/heartbeat.ts',
  'MAX_FACTS in src/contract/errors.ts', // more than what is put into it
  'MAX_TRIES in src/registry/registrations.ts',
  'MAX_LOG_CHARS in src/protocol/check-messages.ts', // a thread sends less, unless it forges messages
  'MAX_NOTE_CHARS in src/protocol/check-messages.ts',
  'MAX_INNER_ERRORS in src/protocol/check-messages.ts',
  'MAX_QUEUED in src/sqlite/due-jobs.ts', // the rest follows in the next transaction
  'MAX_PIECE_CHARS in src/telemetry/metrics-text.ts', // the rest follows
  'MAX_SECONDS in src/queue/drain-estimate.ts',
  'MAX_NAMED in src/server/report-to-launcher.ts', // a log line names so many services
  'MAX_EMPTY_RANGES in src/sqlite/bulk.ts', // the next step goes on
  'MAX_EMPTY_RANGES in src/cluster/bulk.ts',
  'MAX_PROMOTED in src/cluster/take.ts',
  'GROUP_BYTES in src/cluster/batch.ts', // the rest follows in the next transaction
  'MAX_MESSAGE_CHARS in src/jobs/error-key.ts', // the rest of a message does not count
  'KEY_CHARS in src/jobs/error-key.ts',
  'LARGE_BYTES in routes/shared/stored-payload.ts', // where another way begins
  'SMALL_BYTES in src/http/body-budget.ts', // where the counting begins
  'PART_CHARS in src/events/open-streams.ts', // the rest follows
  'TOKEN_BYTES in src/cluster/cluster.ts', // of a token that the server makes
  'MAX_REFUSAL_BYTES in src/cluster/hop.ts', // what is longer is passed on
  'MAX_KEPT_BYTES in routes/shared/forward-call.ts', // where another way begins
  'MAX_TIMER_MS in src/cluster/forwarded-call.ts', // Node has no longer timers
  'MAX_SCHEMAS in src/payload/payload-checker.ts', // the others are sent again
  'MAX_SCHEDULE_BYTES in routes/schedules.ts', // the payload, and what is beside it
  'MAX_DOUBLINGS in src/jobs/attempts.ts', // beyond it the delay is the longest one anyway
  'MAX_DOUBLINGS in src/jobs/known-schedule.ts',
  'MAX_NAMED in src/jobs/schedules.ts', // the log of the start names so many
  'CLONE_BYTES in src/runtime/stream-limits.ts',
  'ITEM_OVERHEAD_BYTES in src/runtime/stream-limits.ts',
  'LEAST_FREE_BYTES in src/cli/doctor/findings.ts', // what doctor warns of
  'MAX_SKEW_MS in src/cli/doctor/findings.ts',
  'SERVER_BYTES in src/cli/doctor/findings.ts',
  'NAME_CHARS in src/cli/output/facts.ts', // widths of what is shown
  'LEAST_VALUE_CHARS in src/cli/output/facts.ts',
  'BAR_CHARS in src/cli/output/progress-bar.ts',
  'TYPE_CHARS in src/cli/verbs/events.ts',
])

const UNITS: Record<string, number> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  ms: 1,
  s: 1_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `10 MiB`, `10MiB`, `24 h`, `1,000 levels` → a number of bytes, of milliseconds, or of things. */
function quantity(text: string): number {
  const [, digits = '', unit = ''] = /^([\d,]+)\s?([A-Za-z]*)/.exec(text) ?? []
  return Number(digits.replaceAll(',', '')) * (UNITS[unit] ?? 1)
}

/** The product or power of numbers that a constant or a member of an object is set to in its file. */
async function inSource(name: string, file: string): Promise<number> {
  const source = await readFile(file, 'utf8')
  const last = name.split('.').at(-1) as string
  const expression = new RegExp(`\\b${last}(?: =|:) ([\\d_]+(?: \\*{1,2} [\\d_]+)*)\\b`).exec(source)?.[1]
  if (expression === undefined) throw new Error(`${file} sets no ${name}`)
  const factors = expression.replaceAll('_', '').split(' * ')
  const value = factors.reduce((product, factor) => {
    const [base = '', exponent = '1'] = factor.split(' ** ')
    return product * Number(base) ** Number(exponent)
  }, 1)
  if (last.endsWith('_SECONDS')) return value * 1_000
  return last.endsWith('_MB') ? value * 2 ** 20 : value
}

async function valueOf(name: string, file: string): Promise<number> {
  if (file === 'src/config.ts') return quantity(SETTINGS[name as keyof typeof SETTINGS].default)
  if (file !== 'src/contract/options.ts') return await inSource(name, file)
  let value: unknown = { ...resolveServiceOptions({}), ...METHOD_DEFAULTS }
  for (const key of name.split('.')) value = (value as Record<string, unknown>)[key]
  return value as number
}

const document = await readFile('docs/limits.md', 'utf8')
const rows = document
  .split('\n')
  .filter((line) => /^\| (?!limit |---)/.test(line))
  .map((line) => {
    const [limit = '', value = '', setting = '', , source = ''] = line.slice(2, -2).split(' | ')
    const [, name = '', file = ''] = /^`(.+)` in `(.+)`$/.exec(source) ?? []
    return { limit, value, setting, name, file }
  })

t.test('each line shows the default and the setting that the source has', async (t) => {
  t.ok(rows.length > 50)
  for (const { limit, value, setting, name, file } of rows) {
    t.equal(quantity(value), await valueOf(name, file), limit)
    const isSetting = file === 'src/config.ts' || file === 'src/contract/options.ts'
    if (isSetting) t.equal(setting, `\`${name}\``, limit)
    else if (setting !== '–') t.match(setting, /^`(THREADPLANE_\w+|[a-z][\w.]+)`$/, limit)
  }
})

t.test('each limit in the source has a line', async (t) => {
  const listed = new Set(rows.map(({ name, file }) => `${name} in ${file}`))
  const missing: string[] = []
  for (const folder of ['src', 'routes']) {
    for (const path of await readdir(folder, { recursive: true })) {
      if (!path.endsWith('.ts')) continue
      const file = `${folder}/${path}`
      const constants = (await readFile(file, 'utf8')).matchAll(
        /^(?:export )?const (MAX_\w+|\w+_(?:BYTES|CHARS)) = \S/gm,
      )
      for (const [, name = ''] of constants) missing.push(`${name} in ${file}`)
    }
  }
  t.ok(missing.length > 30)
  t.strictSame(
    missing.filter((name) => !listed.has(name) && !NO_LIMITS.has(name)),
    [],
  )
  t.strictSame(
    [...NO_LIMITS].filter((name) => !missing.includes(name)),
    [],
    'every exception exists',
  )
})
