/** A working directory that was deleted: no new thread or process could start in it. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'

/** Where the process was last seen to be. */
let known = process.cwd()

/**
 * Makes sure that the process has a working directory. In place of one that was deleted it gets the directory that has
 * that name now, or else the nearest one above it.
 */
export function ensureWorkingDirectory(): void {
  try {
    known = realpathSync.native('.')
  } catch {
    while (!existsSync(known)) known = dirname(known)
    process.chdir(known)
  }
}
