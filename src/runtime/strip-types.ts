/**
 * TypeScript modules on a Node that cannot load them: the package `amaro`, which newer versions of Node have built in,
 * replaces their types by blanks. So lines and columns in a stack are those of the source. Node 20 runs this hook in a
 * thread that it starts for hooks, and loads this file there.
 */
import { readFile } from 'node:fs/promises'
import { createRequire, type LoadHook, register } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

interface Amaro {
  transformSync: (source: string, options: { mode: 'strip-only' }) => { code: string }
}

const TYPESCRIPT = /\.m?ts$/
let transformSync: Amaro['transformSync'] | undefined

/** False if `amaro` is not installed where the module looks for packages. @param url the `file:` URL of the module */
export function stripTypes(url: string): boolean {
  let amaro: string
  try {
    amaro = createRequire(url).resolve('amaro')
  } catch {
    return false
  }
  register('../runtime/strip-types.js', import.meta.url, { data: pathToFileURL(amaro).href })
  return true
}

/** Node calls this export in its thread for hooks. */
export async function initialize(amaro: string): Promise<void> {
  const { default: exported } = (await import(amaro)) as { default: Amaro }
  transformSync = exported.transformSync
}

/** The export that loads each module. */
export const load: LoadHook = async (url, context, nextLoad) => {
  if (transformSync === undefined || !url.startsWith('file:') || !TYPESCRIPT.test(url)) return nextLoad(url, context)
  const source = await readFile(fileURLToPath(url), 'utf8')
  try {
    return { format: 'module', source: transformSync(source, { mode: 'strip-only' }).code, shortCircuit: true }
  } catch (report) {
    throw syntaxError(fileURLToPath(url), String(report))
  }
}

/**
 * As newer versions of Node throw it: its stack begins with the place.
 * @param report the text that amaro throws: a line with `x` and the message, the source with numbers of lines, and carets
 */
function syntaxError(file: string, report: string): SyntaxError {
  const [, message = report] = /x (.+)/.exec(report) ?? []
  const [, line = '1'] = /(\d+) \|[^\n]*\n\s*: *\^/.exec(report) ?? []
  const error = new SyntaxError(message.trim())
  error.stack = `${file}:${line}\n${error.stack}`
  return error
}
