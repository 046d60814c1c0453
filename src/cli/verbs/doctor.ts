/** `doctor`: checks this machine and the server, and says what is wrong. */
import type { Column } from '../output/table.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import type { Style } from '../output/style.ts'
import type { Verb } from '../verb.ts'

const STYLES: Record<string, Style> = { ok: 'green', warn: 'yellow', fail: 'red' }

interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  detail: string
}

const columns: Column<Finding>[] = [
  { title: 'CHECK', rank: 0, value: ({ check }) => check },
  { title: 'RESULT', rank: 0, value: ({ result }) => result, style: ({ result }) => STYLES[result] },
  { title: 'DETAIL', rank: 0, cutTo: 20, value: ({ detail }) => detail },
]

export const doctorVerbs: Verb[] = [
  {
    usage: 'doctor',
    summary: 'check Node, port, data folder, tokens, memory and clock of this machine, and the server',
    details: 'It reads the settings of the server from the environment. The exit code is 1 if a check fails.',
    group: 'Diagnose',
    examples: ['threadplane doctor'],
    run: async (session) => {
      const { findings } = await import('../doctor/findings.ts')
      const items = await findings(session)
      const answer = { text: JSON.stringify({ items }), body: { items } }
      await session.print.write(
        await session.print.list(answer, { columns, nameOf: ({ check, result }) => `${check} ${result}`, none: '' }),
      )
      const failed = items.filter(({ result }) => result === 'fail').map(({ check }) => check)
      if (failed.length > 0) throw new CliError(EXIT.failed, `these checks have failed: ${failed.join(', ')}`)
    },
  },
]
