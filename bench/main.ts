/**
 * `npm run bench` runs all measuring parts, one after the other. `npm run bench -- <part> [options]` runs one of them.
 */
import { printGoals } from './harness/goals.ts'
import { readSettings, type Settings, UsageError } from './harness/settings.ts'

type Part = (settings: Settings) => Promise<void>

/** Parts that measure and print a table. */
const PARTS: Record<string, () => Promise<Part>> = {
  call: async () => (await import('./parts/call.ts')).call,
  cast: async () => (await import('./parts/cast.ts')).cast,
  queues: async () => (await import('./parts/queues.ts')).queues,
  thread: async () => (await import('./parts/thread.ts')).thread,
  start: async () => (await import('./parts/start.ts')).start,
  size: async () => (await import('./parts/size.ts')).size,
  services: async () => (await import('./parts/services.ts')).services,
}

/** Run by name only. */
const BY_HAND: Record<string, () => Promise<Part>> = {
  guard: async () => (await import('./parts/guard.ts')).guard,
  goals: async () => async () => printGoals(),
  growth: async () => (await import('./parts/growth.ts')).growth,
  surface: async () => (await import('./parts/surface.ts')).surface,
  'start-services': async () => (await import('./parts/start-services.ts')).startServices,
}
/** Checks, each with options of its own. */
const CHECKS: Record<string, () => Promise<unknown>> = {
  cycles: () => import('./cycles.ts'),
  faults: () => import('./faults.ts'),
  crashes: () => import('./crashes.ts'),
  hop: () => import('./hop.ts'),
  hostile: () => import('./hostile.ts'),
  nodes: () => import('./many-nodes.ts'),
  rolling: () => import('./rolling.ts'),
  'two-nodes': () => import('./two-nodes.ts'),
  scrape: () => import('./scrape.ts'),
  tokens: () => import('./tokens.ts'),
  watch: () => import('./watch.ts'),
}

const [name = '', ...args] = process.argv.slice(2)
try {
  await run()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}

async function run(): Promise<void> {
  const part = PARTS[name] ?? BY_HAND[name]
  const check = CHECKS[name]
  if (part !== undefined) await (await part())(readSettings(args))
  else if (check !== undefined) await check()
  else if (name === '' || name.startsWith('--')) await runAll(readSettings(process.argv.slice(2)))
  else {
    const names = Object.keys({ ...PARTS, ...BY_HAND, ...CHECKS }).join('|')
    throw new UsageError(`usage: npm run bench [-- [${names}] [options]]; see bench/README.md`)
  }
}

async function runAll(settings: Settings): Promise<void> {
  const since = performance.now()
  for (const [name, load] of Object.entries(PARTS)) {
    const run = await load()
    console.log(`\n# ${name}\n`)
    await run(settings)
    if (name === 'call') await run({ ...settings, cores: 'one core' })
  }
  printGoals()
  console.log(`${Math.round((performance.now() - since) / 1_000)} s`)
}
