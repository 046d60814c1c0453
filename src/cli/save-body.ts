/** Writes the body of an answer to a file, as it comes. */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { CliError, EXIT } from './exit-codes.ts'

/** A file that is not complete is removed. @throws CliError if the file cannot be written */
export async function saveBody({ body }: Response, file: string): Promise<void> {
  const target = createWriteStream(file, { mode: 0o600 })
  try {
    await pipeline(Readable.fromWeb((body ?? new Blob([]).stream()) as ReadableStream), target)
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException
    if (syscall === 'open') throw new CliError(EXIT.failed, `cannot write ${file}: ${message}`)
    await rm(file, { force: true })
    throw code === undefined ? error : new CliError(EXIT.failed, `${file} is not complete: ${message}`)
  }
}
