/** Asks before something is destroyed: on a terminal; elsewhere `-y` is needed, as nobody could answer. */
import { createInterface } from 'node:readline/promises'
import { CliError, EXIT, UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'

/** @param what it will do, such as `delete the service primes` @throws CliError if the answer is not yes */
export async function confirm(io: Io, what: string, isSure: boolean): Promise<void> {
  if (isSure) return
  if (!io.stdin.isTTY || !io.stderr.isTTY) throw new UsageError(`this would ${what}: add -y if you are sure`)
  const lines = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const answer = await lines.question(`This will ${what}. Go on? [y/N] `, { signal: io.interrupted })
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT.failed, 'nothing was changed')
  } finally {
    lines.close()
  }
}
