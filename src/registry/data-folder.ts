/** Reading and writing files of the data folder. It may be missing at the start, or come and go with its disk. */
import { mkdir, readFile } from 'node:fs/promises'
import writeFileAtomic from 'write-file-atomic'

/** Errors of making a folder that may pass: no room, no right to write. (Node says ENOENT of a read-only parent.) */
const MAY_PASS = new Set<string | undefined>(['ENOSPC', 'EDQUOT', 'EROFS', 'ENOENT', 'EACCES', 'EPERM', 'EIO'])

/** Makes the folder. @throws where it can never be used; not where that may pass */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    if (!MAY_PASS.has((error as NodeJS.ErrnoException).code)) {
      throw new Error(`the data folder ${folder} cannot be used`, { cause: error })
    }
  }
}

/** Replaces a file in one step, and makes its folder where that is missing. */
export async function writeInto(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(file, text)
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
