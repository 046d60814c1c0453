/** `--watch`: shows a result again and again, in place on a terminal. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CliError, EXIT } from './exit-codes.ts'
import type { Session } from './session.ts'
import type { VerbOptions } from './verb.ts'

const EVERY_MS = 2_000
const CLEAR = '\u001b[H\u001b[2J'

/** Writes the text; with `--watch` whenever it is another one, until Ctrl-C. */
export async function watch(
  { io, print }: Session,
  { watch: isWatched }: VerbOptions,
  textOf: () => Promise<string>,
): Promise<void> {
  let text = await textOf()
  if (!isWatched) return print.write(text)
  const clear = print.width === undefined ? '' : CLEAR
  for (let shown = ''; ; text = await textOf()) {
    if (text !== shown) await print.write(clear + fitted(text, print.width === undefined ? undefined : io.stdout.rows))
    shown = text
    await sleep(EVERY_MS, undefined, { signal: io.interrupted }).catch(() => {
      throw new CliError(EXIT.interrupted, 'interrupted')
    })
  }
}

/** As many lines as the terminal has. */
function fitted(text: string, rows: number | undefined): string {
  const lines = text.trimEnd().split('\n')
  if (rows === undefined || lines.length < rows) return text
  return `${[...lines.slice(0, rows - 2), `… and ${lines.length - rows + 2} more lines`].join('\n')}\n`
}
