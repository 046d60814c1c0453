/**
 * The programs of threadplane with a feature compiled out: each module of the feature is replaced by its stub in
 * `without/`, which has the same name and the same types, and does nothing. The product itself has no switch for this.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { Plugin } from 'rolldown'
import { bundlePrograms } from '../../release/bundle.ts'
import { BENCH, ROOT } from '../harness/peers.ts'

/** Feature → its modules that calls or casts pass through. */
const FEATURES = {
  events: ['src/events/event-log.ts', 'src/jobs/job-events.ts'],
  metrics: ['src/http/request-metrics.ts', 'src/services/service-counter.ts', 'src/sqlite/commit-figures.ts'],
  tokens: ['src/http/token-guard.ts', 'src/http/loopback-guard.ts'],
  'log rings': ['src/events/log-book.ts'],
  traces: ['src/jobs/traced-cast.ts', 'routes/shared/request-headers.ts'],
}

/** What each variant leaves out. The one without `nothing` is the whole server: it shows how exact the figures are. */
const LEFT_OUT: Record<string, readonly string[]> = {
  nothing: [],
  ...FEATURES,
  all: Object.values(FEATURES).flat(),
}

export const VARIANTS = Object.keys(LEFT_OUT).map((name) => ({ name: `without ${name}`, leftOut: name }))

/** Bundles a variant into `dist`, from where it finds its packages. Returns its program. */
export async function buildVariant(leftOut: string): Promise<string> {
  const folder = join(ROOT, 'dist/bench/variants', leftOut.replace(' ', '-'), 'src')
  const stubs = new Map(
    (LEFT_OUT[leftOut] ?? []).map((path) => [join(ROOT, path), join(BENCH, 'surface/without', basename(path))]),
  )
  const used = new Set<string>()
  await bundlePrograms(folder, [replacing(stubs, used)])
  for (const [path, stub] of stubs)
    if (!used.has(stub)) throw new Error(`no program imports ${path}: nothing is left out`)
  return join(folder, 'main.js')
}

/** @param used gets the stubs that took the place of their modules */
function replacing(stubs: ReadonlyMap<string, string>, used: Set<string>): Plugin {
  return {
    name: 'replacing',
    resolveId(source, importer) {
      if (importer === undefined || !source.startsWith('.')) return undefined
      const stub = stubs.get(resolve(dirname(importer), source))
      // A stub itself may build on the module.
      if (stub === undefined || stub === importer) return undefined
      used.add(stub)
      return stub
    },
  }
}
