/** The administrator's token from a file, which is made with a new token where it is missing. */
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ServiceLog } from '../contract/log.ts'
import { newToken } from './token-text.ts'

/** A shorter one could be guessed. */
const MIN_LENGTH = 20

/** @throws Error if the file can neither be read nor made, or its token is too short */
export async function readAdminToken(file: string, log: ServiceLog): Promise<string> {
  const token = (await readFile(file, 'utf8').catch((error: unknown) => makeIfMissing(file, error, log))).trim()
  if (token.length < MIN_LENGTH || /\s/.test(token)) {
    throw new Error(`${file} has no token: it must be ${MIN_LENGTH} characters or longer, without blanks`)
  }
  return token
}

async function makeIfMissing(file: string, error: unknown, log: ServiceLog): Promise<string> {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`${file} cannot be read`, { cause: error })
  const token = newToken()
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(`${token}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw new Error(`the file of the administrator's token ${file} cannot be made`, { cause })
  }
  log.warn(`a token for the administrator was made: it is in ${file}, which only this user can read`)
  return token
}
