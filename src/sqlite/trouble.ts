/** What keeps the journal from being opened or written, by the result codes of SQLite. */
import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'

const BUSY = 5
const IO_ERROR = 10
export const CORRUPT = 11
const FULL = 13
const NOT_A_DATABASE = 26

/** After these nothing more can be written now: a group fails as a whole. */
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
])

/** The primary result code of an error of SQLite's; 0 of any other. */
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

export function whyUnavailable(error: unknown): string {
  return UNAVAILABLE.get(resultCode(error)) ?? (error as Error).message
}

/** As SQLite says it, where it is found otherwise. */
export function sqliteError(code: number, message: string): Error {
  return Object.assign(new Error(message), { sqliteCode: code })
}

/** A file that could not be opened. What may pass by itself does not keep the server from starting; all else does. */
export type OpenTrouble = { kind: 'passing'; why: string } | { kind: 'inUse' | 'damaged' | 'other' }

export function openTrouble(file: string, error: unknown): OpenTrouble {
  const code = resultCode(error)
  if (code === BUSY) return { kind: 'inUse' }
  if (isDamage(error)) return { kind: 'damaged' }
  if (code === FULL) return { kind: 'passing', why: whyUnavailable(error) }
  // Of a file that it may only read SQLite says anything: that the lock fails, or that it cannot be opened.
  const refusal = refusalToWrite(file)
  if (refusal !== undefined) return { kind: 'passing', why: refusal }
  return code === IO_ERROR ? { kind: 'passing', why: whyUnavailable(error) } : { kind: 'other' }
}

const REFUSALS: Record<string, string> = {
  EROFS: 'is read-only',
  EACCES: 'may not be written',
  EPERM: 'may not be written',
  // It could not be made.
  ENOENT: 'is not there',
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
