/** Writes docs/cli.md, the reference of the command line, from its program. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { referenceOfCli } from '../src/cli/reference.ts'

export const CLI_REFERENCE = 'docs/cli.md'

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(CLI_REFERENCE, await referenceOfCli())
