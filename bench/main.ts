/** `npm run bench`: all measuring parts, one after the other. `npm run bench -- <part> [options]`: one of them. */
import { readSettings, type Settings } from './harness/settings.ts'

type Part = (settings: Settings) => Promise<void>

/** Those that measure and print a table. */
const PARTS: Record<string, () => Promise<Part>> = {
  call: async () => (await import('./parts/call.ts')).call,
  cast: async () => (await import('./parts/cast.ts')).cast,
  thread: async () => (await import('./parts/thread.ts')).thread,
  start: async () => (await import('./parts/start.ts')).start,
  size: async () => (await import('./parts/size.ts')).size,
  services: async () => (await import('./parts/services.ts')).services,
  guard: async () => (await import('./parts/guard.ts')).guard,
}

/** Those that keep watch, each with options of its own. */
const CHECKS: Record<string, () => Promise<unknown>> = {
  cycles: () => import('./cycles.ts'),
}

const [name, ...args] = process.argv.slice(2)
const part = PARTS[name ?? '']
const check = CHECKS[name ?? '']
if (name === undefined) await runAll()
else if (part !== undefined) await (await part())(readSettings(args))
else if (check !== undefined) await check()
else {
  const names = Object.keys({ ...PARTS, ...CHECKS }).join('|')
  console.error(`usage: npm run bench [-- ${names} [options]]; see bench/README.md`)
  process.exitCode = 2
}

async function runAll(): Promise<void> {}
