/** The program: makes commands of the verbs, with their help. */
import { type Argument, Command, Option } from 'commander'
import { FORMATS } from './output/printer.ts'
import { LOCAL_COMMANDS } from './local-commands.ts'
import type { Flags } from './session.ts'
import { UsageError } from './exit-codes.ts'
import { type Verb, VERB_GROUPS, type VerbOptions } from './verb.ts'

/** Runs a verb. @param args as the person wrote them */
export type RunVerb = (verb: Verb, args: string[], options: VerbOptions, flags: Flags) => Promise<void>

export interface ProgramSettings {
  verbs: readonly Verb[]
  run: RunVerb
  writeOut: (text: string) => void
  writeErr: (text: string) => void
  /** Of the help, in characters. */
  helpWidth: number
}

const SETTINGS_GROUP = 'Options of all verbs'
const SERVER_GROUP = 'Servers'

/** Throws a `CommanderError` where commander would end the process. */
export function buildProgram({ verbs, run, writeOut, writeErr, helpWidth }: ProgramSettings): Command {
  const program = new Command('threadplane')
    .description(
      'An HTTP control plane for worker threads. `threadplane serve [folder]` runs a server; the other verbs work with one.',
    )
    .showHelpAfterError('(add --help for the usage)')
    .exitOverride()
    .configureOutput({ writeOut, writeErr, getOutHelpWidth: () => helpWidth, getErrHelpWidth: () => helpWidth })
    .configureHelp({ showGlobalOptions: true, subcommandTerm: termOf })
    .helpCommand('help [verb]', 'show the help of a verb')
    .helpOption('-h, --help', 'show the help')
    .option('--version', 'show the version')
  for (const option of globalOptions()) program.addOption(option)
  for (const { name, args, summary } of LOCAL_COMMANDS) {
    program
      .command(`${name} ${args}`)
      .description(summary)
      .helpGroup(`${SERVER_GROUP}:`)
      .action(() => {
        throw new UsageError(`write ${name} first: threadplane ${name} …`)
      })
  }
  for (const group of VERB_GROUPS) {
    for (const verb of verbs) if (verb.group === group) addVerb(program, verb, run)
  }
  return program
}

function globalOptions(): Option[] {
  const options = [
    new Option('-u, --url <url>', 'the server (default: THREADPLANE_URL, the context, http://127.0.0.1:8080)'),
    new Option('-t, --token <token>', 'the token (default: THREADPLANE_TOKEN, that of the context)'),
    new Option('--context <name>', 'a server that has a name: see threadplane context'),
    new Option('-o, --output <format>', `${FORMATS.join(', ')} (default: table)`),
    new Option('--json', 'the same as -o json: the answer of the server'),
    new Option('-q, --quiet', 'names and ids alone, and no notes'),
    new Option('-y, --yes', 'destroy without a question'),
    new Option('--timeout <time>', 'give up after this time (default: 30s)'),
    new Option('--trace', 'show each request on standard error'),
    new Option('--no-color', 'without colours (default: no colours with NO_COLOR)'),
  ]
  return options.map((option) => option.helpGroup(`${SETTINGS_GROUP}:`))
}

function addVerb(program: Command, verb: Verb, run: RunVerb): void {
  const { usage, summary, details, group, options = {}, examples } = verb
  const [, names = '', args = ''] = /^([a-z ]*[a-z])((?: [<[].*)?)$/.exec(usage) ?? []
  const [name = '', subName] = names.split(' ')
  const parent = subName === undefined ? program : parentOf(program, name, group)
  const command = parent
    .command((subName ?? name) + args, { isDefault: verb.isDefault === true })
    .summary(summary)
    .description(details === undefined ? `${capital(summary)}.` : `${capital(summary)}. ${details}`)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}\n`).join('')}`)
    .helpGroup(`${group}:`)
  for (const [flags, meaning] of Object.entries(options)) command.option(flags, meaning)
  command.action(() => run(verb, command.args, command.opts<VerbOptions>(), program.opts<Flags>()))
}

/** A command in the list of all. */
function termOf(command: Command): string {
  return `${command.name()} ${command.registeredArguments.map(argumentTerm).join(' ')}`.trimEnd()
}

function argumentTerm(argument: Argument): string {
  const { required, variadic } = argument
  const name = `${argument.name()}${variadic ? '...' : ''}`
  return required ? `<${name}>` : `[${name}]`
}

/** The command of `context`, with verbs of its own. */
function parentOf(program: Command, name: string, group: string): Command {
  const known = program.commands.find((command) => command.name() === name)
  return (
    known ??
    program
      .command(name)
      .description(PARENTS[name] ?? name)
      .helpGroup(`${group}:`)
      .helpCommand(false)
  )
}

const PARENTS: Record<string, string> = {
  schedule: 'show, set, run or delete a schedule',
  context: 'keep servers and tokens under names',
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
