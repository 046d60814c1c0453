/** Finds out to which place of whose file an error of a module belongs. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hasCode } from '../contract/errors.ts'
import { importsOf, resolveFrom } from '../registry/module-files.ts'

const run = promisify(execFile)
const CHECKED_WITHIN_MS = 5_000

export interface Place {
  file: string
  line: number
  /** Counted from 1. */
  column?: number
}

/** `file:///a/b.js:1:2`, `/a/b.js:1:2` and `C:\a\b.js:1:2`, the column of which may be missing. */
const PLACE = /((?:file:\/\/|[A-Z]:\\|\/)[^\n()]+?):(\d+)(?::(\d+))?/
const FRAME = new RegExp(`^\\s+at (?:.*\\()?${PLACE.source}\\)?$`)

/** The error that the module itself has made: what threadplane says of it is left out. */
export function ownError(error: Error): Error {
  return error.cause instanceof Error && (hasCode(error, 'START_FAILED') || hasCode(error, 'MODULE_REFUSED'))
    ? ownError(error.cause)
    : error
}

/**
 * @param module the file of the service
 * @param files all files of the service, those that have changed first
 */
export async function placeOf(error: Error, module: string, files: string[]): Promise<Place | undefined> {
  return (
    placeInMessage(error) ??
    (await placeInImport(error, files)) ??
    placeInStack(error, files) ??
    (await placeOfImport(error)) ??
    (await placeInDefinition(error, module))
  )
}

/** Of a syntax error, which says where it is. */
function placeInMessage({ name, message }: Error): Place | undefined {
  return name === 'SyntaxError' && !IN_AN_IMPORT.test(message) ? placeIn(PLACE.exec(message)) : undefined
}

/** Of a syntax error in a module that the service's module imports, as far as the thread knows it. */
const IN_AN_IMPORT = /\(at (\d+):(\d+) of a module that /

async function placeInImport({ message }: Error, files: string[]): Promise<Place | undefined> {
  const [, line, column] = IN_AN_IMPORT.exec(message)?.map(Number) ?? []
  if (line === undefined || column === undefined) return undefined
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const hasPlace = (text.split('\n')[line - 1]?.length ?? -1) >= column - 1
    if (hasPlace && (await failsToParse(file))) return { file, line, column }
  }
  return undefined
}

/** Asks Node, which reads the file and does not run it. */
async function failsToParse(file: string): Promise<boolean> {
  try {
    await run(process.execPath, ['--check', file], { timeout: CHECKED_WITHIN_MS })
    return false
  } catch {
    return true
  }
}

/** The topmost frame in one of the files; the first line of the stack of some errors is a place too. */
function placeInStack({ stack = '' }: Error, files: string[]): Place | undefined {
  for (const line of stack.split('\n')) {
    const place = placeIn(FRAME.exec(line) ?? new RegExp(`^${PLACE.source}$`).exec(line))
    if (place !== undefined && files.includes(place.file)) return place
  }
  return undefined
}

function placeIn(match: RegExpExecArray | null): Place | undefined {
  const [, path, line, column] = match ?? []
  if (path === undefined) return undefined
  const file = path.startsWith('file:') ? fileURLToPath(path) : path
  return { file, line: Number(line), ...(column !== undefined && { column: Number(column) }) }
}

const NOT_FOUND = /^Cannot find (?:module|package) '([^']+)' imported from (.+?)$/m

/** The import of what is not there. */
async function placeOfImport({ message }: Error): Promise<Place | undefined> {
  const [, missing, importer] = NOT_FOUND.exec(message) ?? []
  if (missing === undefined || importer === undefined) return undefined
  const file = importer.startsWith('file:') ? fileURLToPath(importer) : importer
  const text = await readFile(file, 'utf8').catch(() => '')
  const found = importsOf(text)?.find(
    ({ specifier }) =>
      specifier === missing || specifier.startsWith(`${missing}/`) || resolveFrom(file, specifier) === missing,
  )
  return found && { file, ...positionAt(text, found.offset) }
}

/** What a definition that was refused says: the method that it names, or else the export. */
async function placeInDefinition(error: Error, module: string): Promise<Place | undefined> {
  if (!hasCode(error, 'MODULE_REFUSED')) return undefined
  const text = await readFile(module, 'utf8').catch(() => '')
  const [, name] = /^(?:method|task|timer) "([\w-]+)"/.exec(error.message) ?? []
  const named = name === undefined ? -1 : text.search(new RegExp(`(?<![\\w.])['"]?${name}['"]?\\s*[:(]`))
  const offset = named >= 0 ? named : text.search(/export default|module\.exports/)
  return { file: module, ...positionAt(text, Math.max(offset, 0)) }
}

function positionAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 }
}
