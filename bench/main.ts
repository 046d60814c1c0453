/** `npm run bench -- <name>`: each benchmark is a module of its own. */
const BENCHMARKS: Record<string, () => Promise<unknown>> = {
  call: () => import('./call.ts'),
  crashes: () => import('./crashes.ts'),
  cycles: () => import('./cycles.ts'),
  faults: () => import('./faults.ts'),
}

const run = BENCHMARKS[process.argv[2] ?? '']
if (run === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHMARKS).join('|')} [options]; see bench/README.md`)
  process.exitCode = 2
} else await run()
