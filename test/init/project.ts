/** A project of `threadplane init`, inside the repository: its packages are those of the repository. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageVersion } from '../../src/system/package-version.ts'

export const run = promisify(execFile)
export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The file of the package that `threadplane init` packs into a project. */
export const PACKED = `threadplane-${packageVersion()}.tgz`

/** A new folder for projects, which is removed after the test. */
export function projectsFolder(t: Test): string {
  const folder = mkdtempSync(fileURLToPath(new URL('../init-', import.meta.url)))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What `npm install` does for the package that was packed into the project. */
export async function installPacked(project: string): Promise<void> {
  const home = join(project, 'node_modules', 'threadplane')
  const main = join(home, 'dist/src/main.js')
  mkdirSync(join(project, 'node_modules', '.bin'), { recursive: true })
  mkdirSync(home)
  await run('tar', ['-xzf', join(project, PACKED), '--strip-components=1', '-C', home])
  symlinkSync(main, join(project, 'node_modules', '.bin', 'threadplane'))
  await run('chmod', ['+x', main])
}
