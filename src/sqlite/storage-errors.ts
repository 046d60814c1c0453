/** Why the journal cannot be opened or written, by the result codes of SQLite. */
import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'

const BUSY = 5
const IO_ERROR = 10
export const CORRUPT = 11
const FULL = 13
const NOT_A_DATABASE = 26
/** Not of SQLite, which does not look. */
export const MOVED = 255

/** After one of these, nothing can be written for now: the whole group fails. */
const UNAVAILABLE = new Map([
  [BUSY, 'the file is locked'],
  [6, 'the file is locked'],
  [7, 'out of memory'],
  [8, 'the file is read-only'],
  [IO_ERROR, 'input/output error'],
  [CORRUPT, 'the file is damaged'],
  [FULL, 'the disk is full'],
  [14, 'the file cannot be opened'],
  [NOT_A_DATABASE, 'the file is damaged'],
  [MOVED, 'the file is not at its path any more: it was moved, deleted or replaced'],
])

/** The primary result code of an error of SQLite; 0 for any other error. */
function resultCode(error: unknown): number {
  const { sqliteCode = 0 } = (error ?? {}) as { sqliteCode?: number }
  return sqliteCode & 0xff
}

export function isUnavailable(error: unknown): boolean {
  return UNAVAILABLE.has(resultCode(error))
}

export function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === CORRUPT || code === NOT_A_DATABASE
}

/** Nothing that is written to the open file can be found by the next process. */
export function isMoved(error: unknown): boolean {
  return resultCode(error) === MOVED
}

export function whyUnavailable(error: unknown): string {
  return UNAVAILABLE.get(resultCode(error)) ?? (error as Error).message
}

/** An error like SQLite's, for trouble that SQLite does not report. */
export function sqliteError(code: number, message: string): Error {
  return Object.assign(new Error(message), { sqliteCode: code })
}

/** Why a file cannot be opened. The server starts with trouble that may pass by itself, and not with any other. */
export type OpenTrouble = { kind: 'passing'; why: string } | { kind: 'inUse' | 'damaged' | 'other' }

export function openTrouble(file: string, error: unknown): OpenTrouble {
  const code = resultCode(error)
  if (code === BUSY) return { kind: 'inUse' }
  if (isDamage(error)) return { kind: 'damaged' }
  if (code === FULL) return { kind: 'passing', why: whyUnavailable(error) }
  // For a read-only file SQLite reports various errors: that locking fails, or that the file cannot be opened.
  const refusal = refusalToWrite(file)
  if (refusal !== undefined) return { kind: 'passing', why: refusal }
  return code === IO_ERROR ? { kind: 'passing', why: whyUnavailable(error) } : { kind: 'other' }
}

const REFUSALS: Record<string, string> = {
  EROFS: 'is read-only',
  EACCES: 'may not be written',
  EPERM: 'may not be written',
  // The folder could not be created.
  ENOENT: 'does not exist',
}

function refusalToWrite(file: string): string | undefined {
  const refusal = (path: string) => {
    try {
      accessSync(path, constants.W_OK)
      return undefined
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? ''
    }
  }
  const folder = dirname(file)
  const ofFolder = REFUSALS[refusal(folder) ?? '']
  if (ofFolder !== undefined) return `the folder ${folder} ${ofFolder}`
  const ofFile = refusal(file)
  return ofFile === undefined || ofFile === 'ENOENT' ? undefined : `the file ${file} ${REFUSALS[ofFile]}`
}
