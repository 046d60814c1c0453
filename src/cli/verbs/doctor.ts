/** `doctor`: checks this machine and the server, and says what is wrong. */
import type { Finding } from '../doctor/findings.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { type Fact, factLines } from '../output/facts.ts'
import type { OneView } from '../output/printer.ts'
import type { Style } from '../output/style.ts'
import type { Verb } from '../verb.ts'

const STYLES: Record<Finding['result'], Style> = { ok: 'green', warn: 'yellow', fail: 'red' }

const view: OneView<{ items: Finding[] }> = {
  lines: ({ items }, paint, width) => {
    const facts = items.map(({ check, result, detail }): Fact => [check, `${result}: ${detail}`, STYLES[result]])
    return factLines('this machine and its server', facts, paint, width)
  },
  nameOf: ({ items }) => items.map(({ check, result }) => `${check} ${result}`).join('\n'),
}

export const verbs: Verb[] = [
  {
    usage: 'doctor',
    summary: 'check Node, port, data folder, tokens, memory and clock of this machine, and the server',
    details: 'It reads the settings of the server from the environment. The exit code is 1 if a check fails.',
    group: 'Diagnose',
    examples: ['threadplane doctor'],
    run: async (session) => {
      const { findings } = await import('../doctor/findings.ts')
      const items = await findings(session)
      await session.print.write(session.print.one({ text: JSON.stringify({ items }), body: { items } }, view))
      const failed = items.filter(({ result }) => result === 'fail').map(({ check }) => check)
      if (failed.length > 0) throw new CliError(EXIT.failed, `these checks have failed: ${failed.join(', ')}`)
    },
  },
]
