/**
 * How a new project gets threadplane: from the registry, by its version. A copy that was not installed from there, such as a
 * checkout of the repository or a packed file, is packed into the project, so that `npm install` and an image work all the
 * same.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageVersion } from '../system/package-version.ts'

const run = promisify(execFile)
const PACKED_WITHIN_MS = 60_000

const ROOT = fileURLToPath(new URL('.', import.meta.resolve('threadplane/package.json')))

/** What the project's `package.json` says, and how to put the packed files there, if they are needed. */
export interface OwnPackage {
  dependency: string
  /** The name of the packed file; `undefined`: none is needed. */
  file?: string
  copyTo: (folder: string) => Promise<void>
}

/** @throws Error if npm cannot pack it */
export async function ownPackage(): Promise<OwnPackage> {
  if (await isFromRegistry()) {
    return { dependency: `^${packageVersion()}`, copyTo: async () => {} }
  }
  const file = `threadplane-${packageVersion()}.tgz`
  const copyTo = async (folder: string) => {
    const packed = await mkdtemp(join(tmpdir(), 'threadplane-'))
    try {
      // Its scripts would build it anew, under the program that runs now.
      const args = ['pack', '--ignore-scripts', '--silent', '--pack-destination', packed]
      await run('npm', args, { cwd: ROOT, timeout: PACKED_WITHIN_MS, shell: process.platform === 'win32' })
      const [name = file] = await readdir(packed)
      await copyFile(join(packed, name), join(folder, file))
    } catch (error) {
      throw new Error('npm could not pack threadplane for the project', { cause: error })
    } finally {
      await rm(packed, { recursive: true, force: true })
    }
  }
  return { dependency: `file:${file}`, file, copyTo }
}

/** npm notes beside the installed packages where each has come from. Other installers do not: they are believed. */
async function isFromRegistry(): Promise<boolean> {
  const modules = dirname(ROOT)
  if (basename(modules) !== 'node_modules') return false
  try {
    const lock = JSON.parse(await readFile(join(modules, '.package-lock.json'), 'utf8')) as {
      packages?: Record<string, { resolved?: string } | undefined>
    }
    return lock.packages?.['node_modules/threadplane']?.resolved?.startsWith('file:') !== true
  } catch {
    return true
  }
}
