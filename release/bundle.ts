/**
 * Bundles the programs: the command line with its launcher, the server, the process of the journal, and what runs in the
 * threads and processes of services. `build.ts` does it for `npm run build`. A server then loads some 175 files in place
 * of 1,040, most of them of packages that are not bundled: that takes a third off the CPU time of its start. What users
 * import stays the modules that TypeScript compiles, but for `threadplane/service`, which each thread loads.
 *
 * A chunk lies in the folder `programs`, as deep as the modules in it: `new URL('../sqlite/journal-process.js',
 * import.meta.url)` is found from both places. So a module names a file of its own folder in this way, too.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'rolldown'

/** Packages with files beside their code, with code for one platform, or of which all users must share one copy. */
const NOT_BUNDLED = [
  '@fastify/swagger-ui',
  '@opentelemetry/api',
  '@photostructure/sqlite',
  'pg',
  'pino',
  'pino-pretty',
  // Only a node of a cluster loads it.
  'undici',
]

const PROGRAMS = {
  main: 'src/main.ts',
  'server/entry': 'src/server/entry.ts',
  'sqlite/journal-process': 'src/sqlite/journal-process.ts',
  // Tests change them before the launcher starts: all chunks must use this one.
  'launcher/timings': 'src/launcher/timings.ts',
}

/** What runs beside a service's module: nothing of the server. */
const OF_SERVICES = {
  'runtime/thread-entry': 'src/runtime/thread-entry.ts',
  'runtime/process-entry': 'src/runtime/process-entry.ts',
  'module/index': 'src/module/index.ts',
}

/**
 * @param folder gets the programs, in the folders of their sources; such as `dist/src`
 * @param plugins change the modules on their way into the bundles
 */
export async function bundlePrograms(folder: string, plugins: Plugin[] = []): Promise<void> {
  await bundle(folder, PROGRAMS, NOT_BUNDLED, [...plugins, licenses()])
  await bundle(folder, OF_SERVICES, ['zod'], plugins)
}

async function bundle(
  folder: string,
  input: Record<string, string>,
  external: string[],
  plugins: Plugin[],
): Promise<void> {
  await build({
    input,
    platform: 'node',
    tsconfig: false,
    external: external.map((name) => new RegExp(`^${name}(/|$)`)),
    // CommonJS modules know them, and a chunk is none.
    transform: { define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } },
    plugins,
    logLevel: 'warn',
    output: {
      dir: folder,
      cleanDir: false,
      chunkFileNames: 'programs/[name]-[hash].js',
      // Without white space there is a sixth less to parse, and text of one byte a character is read faster.
      minify: { compress: false, mangle: false, codegen: { asciiOnly: true } },
      // Errors are logged with the names of their classes.
      keepNames: true,
    },
  })
}

/** Writes the licenses of the packages that the chunks contain: each asks for its text in every copy. */
function licenses(): Plugin {
  return {
    name: 'licenses',
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
      const folders = modules.flatMap((id) => /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? [])
      const texts = [...new Set(folders)].sort().map(licenseOf)
      this.emitFile({ type: 'asset', fileName: 'programs/LICENSES.txt', source: texts.join('\n') })
    },
  }
}

function licenseOf(folder: string): string {
  const own = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  // Some name their license and have no text of it.
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()
  return `# ${own['name']} ${own['version']} (${own['license']})\n\n${text}\n`
}
