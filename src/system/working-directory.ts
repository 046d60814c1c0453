/** A working directory that was deleted: no new thread or process could start in it. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes sure that the process has a working directory. In place of one that was deleted it gets the directory that has
 * that name now, or else the nearest one above it.
 */
export function ensureWorkingDirectory(): void {
  try {
    realpathSync.native('.')
  } catch {
    // Node remembers the path.
    let directory = process.cwd()
    while (!existsSync(directory)) directory = dirname(directory)
    process.chdir(directory)
  }
}
