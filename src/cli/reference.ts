/** The text of `docs/cli.md`, made from the program and its verbs. */
import type { Command } from 'commander'
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts'
import { LOCAL_COMMANDS } from './local-commands.ts'
import { buildProgram } from './program.ts'
import { type Verb, VERB_GROUPS } from './verb.ts'
import { loadVerbs } from './verbs/index.ts'

const INTRODUCTION = `# The command line

\`npm run docs:pages\` makes this text from the program. \`threadplane <verb> --help\` shows the same.

Each verb works with a server. Which one, in this order: \`--url\`, \`--token\` and \`--context\`; \`THREADPLANE_URL\` and
\`THREADPLANE_TOKEN\`; \`THREADPLANE_CONTEXT\`; the current context of \`~/.config/threadplane/contexts.json\`;
<http://127.0.0.1:8080>. The token of a context is sent to the URL of that context only.

The result alone is on standard output; everything else is on standard error. \`-o json\` is the answer of the server: what
scripts rely on. On a terminal a table leaves out columns that do not fit, and cuts long texts; elsewhere nothing is cut, and
there are no colours. What destroys asks first on a terminal; elsewhere it needs \`-y\`.

A verb waits a few seconds for a server that is being started again. All else that may pass has the exit code ${EXIT.tryLater}, and
the script decides.
`

const PAYLOAD = `## Payloads

| payload | is |
| --- | --- |
| \`'{"a":1}'\` | JSON |
| \`@file\` | the content of a file |
| \`-\` | standard input |
| \`a=1 b:=2\` | an object: \`a\` is the text \`"1"\`, \`b\` is the JSON \`2\` |
| \`--edit\` | what you write in \`$EDITOR\` |
`

export async function referenceOfCli(): Promise<string> {
  const all = await loadVerbs()
  const program = buildProgram({
    verbs: all,
    run: () => Promise.resolve(),
    writeOut: () => {},
    writeErr: () => {},
    helpWidth: 100,
  })
  const commands = LOCAL_COMMANDS.map(({ name, args, summary }) => [`\`threadplane ${name} ${args}\``, summary])
  return [
    INTRODUCTION,
    `## Exit codes\n\n${tableOf(['exit code', 'when'], exitCodes())}`,
    `## Options of all verbs\n\n${tableOf(['option', 'meaning'], optionsOf(program))}`,
    PAYLOAD,
    `## Commands without a server\n\n${tableOf(['command', 'does'], commands)}`,
    ...VERB_GROUPS.map((group) => {
      const verbs = all.filter((verb) => verb.group === group)
      return `## ${group}\n\n${verbs.map(sectionOf).join('\n')}`
    }),
  ].join('\n')
}

function exitCodes(): string[][] {
  return Object.entries(EXIT_MEANINGS).map(([name, meaning]) => [String(EXIT[name as keyof typeof EXIT]), meaning])
}

function optionsOf({ options }: Command): string[][] {
  return options.map(({ flags, description }) => [`\`${flags}\``, description])
}

function sectionOf({ usage, summary, details, options = {}, examples }: Verb): string {
  const text = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.${details === undefined ? '' : ` ${details}`}`
  const rows = Object.entries(options).map(([flags, meaning]) => [`\`${flags}\``, meaning])
  const table = rows.length === 0 ? '' : `${tableOf(['option', 'meaning'], rows)}\n`
  return `### threadplane ${escaped(usage)}\n\n${escaped(text)}\n\n${table}\`\`\`sh\n${examples.join('\n')}\n\`\`\`\n`
}

function tableOf(header: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return [header, header.map(() => '---'), ...rows].map(line).join('')
}

/** Markdown takes `<name>` for HTML. */
function escaped(text: string): string {
  return text.replaceAll('<', '\\<')
}
