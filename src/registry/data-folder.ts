/**
 * Reading and writing files of the data folder. It may be missing at the start, or come and go with its disk. Payloads and
 * results are for the user of the server alone: the folder is made with mode 0700 and files with 0600, whatever the umask.
 */
import { chmod, lstat, mkdir, readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import writeFileAtomic from 'write-file-atomic'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
/** Files and folders of the server in its data folder. */
const OWN = /^(jobs\.sqlite|services\.json|holder\.json|tokens\.json|descriptions|admin-token)/

/** Errors of making a folder that may pass: no room, no right to write. (Node says ENOENT of a read-only parent.) */
const MAY_PASS = new Set<string | undefined>(['ENOSPC', 'EDQUOT', 'EROFS', 'ENOENT', 'EACCES', 'EPERM', 'EIO'])

/** Makes the folder, or tightens the modes of one. @throws where it can never be used; not where that may pass */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    await tighten(folder)
  } catch (error) {
    if (!MAY_PASS.has((error as NodeJS.ErrnoException).code)) {
      throw new Error(`the data folder ${folder} cannot be used`, { cause: error })
    }
  }
}

/**
 * An earlier version left the folder readable for all. A folder that holds other files, and none of the server, keeps its
 * mode: it may have another purpose. What cannot be changed stays as it is.
 */
async function tighten(folder: string): Promise<void> {
  const names = await namesIn(folder)
  const own = names.filter((name) => OWN.test(name))
  if (own.length > 0 || names.every((name) => name === 'lost+found')) await takeFromOthers(await realpath(folder))
  const kept = own.includes('descriptions') ? await namesIn(join(folder, 'descriptions')) : []
  // The mode of the tokens file is not corrected: a server refuses a file that others could have read or written.
  const paths = [...own.filter((name) => name !== 'tokens.json'), ...kept.map((name) => join('descriptions', name))]
  for (const path of paths) await takeFromOthers(join(folder, path))
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

/** Only the owner may use it from now on. The file that a link points to, and the file of another user, stay as they are. */
async function takeFromOthers(path: string): Promise<void> {
  try {
    const stats = await lstat(path)
    const isOurs = !stats.isSymbolicLink() && stats.uid === process.getuid?.()
    if (isOurs && (stats.mode & 0o077) !== 0) await chmod(path, stats.mode & 0o700)
  } catch {
    // It is gone, or its file system is read-only or has no modes.
  }
}

/** Replaces a file in one step, and makes its folder where that is missing. */
export async function writeInto(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  await writeFileAtomic(file, text, { mode: FILE_MODE })
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
