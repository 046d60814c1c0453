/** What the command line reads and writes. A test gives its own, and runs verbs in its process. */
import type { Readable, Writable } from 'node:stream'

export interface Io {
  stdin: Readable & { isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown }
  stdout: Output
  stderr: Output
  env: NodeJS.ProcessEnv
  /** Fires at Ctrl-C. */
  interrupted: AbortSignal
}

export type Output = Writable & { isTTY?: boolean; columns?: number; rows?: number }

/** Those of this process. The first Ctrl-C interrupts the verb; the second ends the process. */
export function ioOfProcess(): Io {
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endOnBrokenPipe)
  const { stdin, stdout, stderr, env } = process
  return { stdin, stdout, stderr, env, interrupted: interrupt.signal }
}

/** The reader of a pipe has enough, as `head` after its lines: that is no error. */
function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}

/** May text on it have colours? See no-color.org. */
export function hasColour({ isTTY }: Output, { NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return isTTY === true && !NO_COLOR && TERM !== 'dumb'
}
