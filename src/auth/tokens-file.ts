/**
 * The file of tokens: what it contains, how it is read, and how it is changed. People edit it too, so it is checked as a
 * whole. It has hashes only, but who can write it can add a token, and other users should not read names and scopes: so
 * its mode is 0600, and a file that others can read is refused.
 */
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { Access } from './access.ts'

const MAX_TOKENS = 1_000
const MAX_FILE_BYTES = 1024 * 1024
const MAX_SCOPES = 100
const MAX_NOTE_CHARS = 500
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const FOR_OTHERS = 0o077
/** A change takes milliseconds. */
const LOCK_LASTS_MS = 5_000
const TRY_LOCK_EVERY_MS = 20

/** The id of the token from the environment. No token of the file has it. */
export const ENVIRONMENT_ID = 'environment'

const id = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/, 'an id has 1 to 63 letters, digits, `_`, `.` and `-`')
  .refine((text) => text !== ENVIRONMENT_ID, `${ENVIRONMENT_ID} is the id of THREADPLANE_ADMIN_TOKEN: use another one`)

const scopes = z
  .array(z.string())
  .min(1, 'a token needs a scope')
  .max(MAX_SCOPES)
  .superRefine((texts, context) => {
    try {
      new Access(texts)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  })

const rate = z.strictObject({
  requests: z.int().min(1).max(1_000_000),
  perSeconds: z.int().min(1).max(86_400),
  burst: z.int().min(1).max(1_000_000).optional(),
})

const time = z.iso.datetime({ offset: true })

const tokenSchema = z.strictObject({
  id,
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a hash is sha256: and 64 digits from 0 to f'),
  hint: z.string().max(16).optional(),
  scopes,
  createdAt: time.optional(),
  expiresAt: time.nullable().optional(),
  rate: rate.nullable().optional(),
  note: z.string().max(MAX_NOTE_CHARS).optional(),
})
export type TokenRecord = z.output<typeof tokenSchema>

const fileSchema = z.strictObject({
  version: z.literal(1),
  tokens: z
    .array(tokenSchema)
    .max(MAX_TOKENS)
    .refine((tokens) => new Set(tokens.map((token) => token.id)).size === tokens.length, 'two tokens have the same id'),
})

export interface ReadTokens {
  tokens: TokenRecord[]
  /** Changes with each change of the file; see {@link versionOf}. */
  version: string
}

const NO_FILE = 'none'

/** Reads the file; without a file there are no tokens. @throws Error that says what is wrong with it */
export async function readTokens(file: string): Promise<ReadTokens> {
  const handle = await openIfThere(file)
  if (handle === undefined) return { tokens: [], version: NO_FILE }
  try {
    const stats = await handle.stat({ bigint: true })
    const mode = Number(stats.mode) & 0o777
    if (process.platform !== 'win32' && (mode & FOR_OTHERS) !== 0) {
      throw new Error(`others can read or write it (its mode is 0${mode.toString(8)}): run chmod 600 ${file}`)
    }
    if (stats.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`)
    return { tokens: parse(await handle.readFile('utf8')), version: version(stats) }
  } catch (error) {
    throw new Error(`the tokens file ${file} cannot be used: ${(error as Error).message}`, { cause: error })
  } finally {
    await handle.close()
  }
}

function parse(text: string): TokenRecord[] {
  const { data, error } = fileSchema.safeParse(JSON.parse(text))
  if (data !== undefined) return data.tokens
  throw new Error(
    error.issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; '),
  )
}

/** A string that changes whenever the file is replaced or edited. */
export async function versionOf(file: string): Promise<string> {
  const handle = await openIfThere(file)
  if (handle === undefined) return NO_FILE
  try {
    return version(await handle.stat({ bigint: true }))
  } finally {
    await handle.close()
  }
}

function version(stats: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(' ')
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r')
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    // A folder that is no folder: the server says so when it opens it.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Error(`the tokens file ${file} cannot be read: ${message}`, { cause: error })
  }
}

/** Changes the file in one step, one command after the other. @throws Error about tokens that are not valid */
export async function changeTokens(file: string, change: (tokens: TokenRecord[]) => TokenRecord[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: FOLDER_MODE })
  const lock = `${file}.lock`
  await takeLock(lock)
  try {
    const { tokens } = await readTokens(file)
    await writeTokens(file, change(tokens))
  } finally {
    await rm(lock, { force: true })
  }
}

/** Waits until no other command changes the file. One that was killed leaves its lock behind, which is too old then. */
async function takeLock(lock: string): Promise<void> {
  for (;;) {
    try {
      return await (await open(lock, 'wx', FILE_MODE)).close()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const since = (await stat(lock).catch(() => undefined))?.mtimeMs
    if (since !== undefined && Date.now() - since > LOCK_LASTS_MS) await rm(lock, { force: true })
    else await sleep(TRY_LOCK_EVERY_MS)
  }
}

/** Writes the file in one step. @throws Error about tokens that are not valid */
export async function writeTokens(file: string, tokens: readonly TokenRecord[]): Promise<void> {
  const text = `${JSON.stringify({ version: 1, tokens }, null, 2)}\n`
  parse(text)
  await writeFileAtomic(file, text, { mode: FILE_MODE })
}
