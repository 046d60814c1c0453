/** The files of a journal in its data folder, and why they cannot be used, for the person who starts something on them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenTrouble } from './storage-errors.ts'

export const JOURNAL_FILE = 'jobs.sqlite'
/** Says which process uses the data folder. */
export const HOLDER_FILE = 'holder.json'

/** The error that ends the start. */
export async function cannotOpen(folder: string, reason: OpenTrouble['kind'], cause: unknown): Promise<Error> {
  const file = join(folder, JOURNAL_FILE)
  switch (reason) {
    case 'inUse':
      return new Error(`the data folder ${folder} is in use by ${await holderOf(folder)}: one process at a time`)
    case 'damaged':
      return new Error(
        `the journal ${file} is damaged: restore it from a backup, or move it away to begin without jobs`,
        { cause },
      )
    case 'passing':
    case 'other':
      return new Error(`the journal ${file} cannot be opened`, { cause })
  }
}

async function holderOf(folder: string): Promise<string> {
  try {
    const text = await readFile(join(folder, HOLDER_FILE), 'utf8')
    const { pid, host, since } = JSON.parse(text) as { pid: number; host: string; since: string }
    return `process ${pid} on ${host}, since ${since}`
  } catch {
    return 'another process'
  }
}
