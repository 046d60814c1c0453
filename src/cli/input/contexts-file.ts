/** The servers that a person works with, under names: `~/.config/threadplane/contexts.json`. It has tokens in it, so mode 0600. */
import { mkdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CliError, EXIT } from '../exit-codes.ts'

export interface Context {
  url: string
  token?: string
}

export interface Contexts {
  /** The one that is used without `--context`. */
  current?: string
  contexts: Record<string, Context>
}

export function contextsPath({ XDG_CONFIG_HOME, HOME }: NodeJS.ProcessEnv): string {
  return join(XDG_CONFIG_HOME || join(HOME || homedir(), '.config'), 'threadplane', 'contexts.json')
}

/** No file is a file without contexts. @throws CliError if it is damaged, or if others can read the tokens in it */
export async function readContexts(env: NodeJS.ProcessEnv): Promise<Contexts> {
  const path = contextsPath(env)
  let text: string
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) throw new CliError(EXIT.failed, `others can read ${path}: run chmod 600 ${path}`)
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { contexts: {} }
    throw error
  }
  try {
    return checked(JSON.parse(text))
  } catch (error) {
    throw new CliError(EXIT.failed, `${path} is damaged: ${(error as Error).message}`)
  }
}

export async function writeContexts(env: NodeJS.ProcessEnv, contexts: Contexts): Promise<void> {
  const path = contextsPath(env)
  const { default: writeFileAtomic } = await import('write-file-atomic')
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFileAtomic(path, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 })
}

function checked(value: unknown): Contexts {
  const { current, contexts } = value as Partial<Contexts>
  if (typeof contexts !== 'object' || contexts === null) throw new Error('it has no "contexts"')
  for (const [name, context] of Object.entries(contexts)) {
    if (typeof context?.url !== 'string') throw new Error(`the context ${JSON.stringify(name)} has no "url"`)
  }
  return { ...(typeof current === 'string' && { current }), contexts }
}
