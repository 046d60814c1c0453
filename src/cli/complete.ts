/**
 * `threadplane complete -- <words>`: what the last word may be, one a line, for the completion of shells. Verbs and flags
 * are those of the program; names are asked of the server, which has 300 ms.
 */
import type { Command } from 'commander'
import type { Io } from './io.ts'
import { FORMATS } from './output/printer.ts'
import { Session, type Flags, route } from './session.ts'

const ASK_MS = 300

export async function complete(program: Command, argv: readonly string[], io: Io): Promise<void> {
  const words = argv[0] === '--' ? argv.slice(1) : argv
  const last = words.at(-1) ?? ''
  const names = await candidates(program, words.slice(0, -1), last, io)
  const fitting = [...new Set(names)].filter((name) => name.startsWith(last))
  if (fitting.length > 0) io.stdout.write(`${fitting.join('\n')}\n`)
}

async function candidates(program: Command, before: readonly string[], last: string, io: Io): Promise<string[]> {
  let command = program
  let args: string[] = []
  let valueOf: string | undefined
  const flags: Record<string, string> = {}
  for (const word of before) {
    if (valueOf !== undefined) {
      flags[valueOf] = word
      valueOf = undefined
    } else if (word.startsWith('-') && word !== '-') {
      const option = optionsOf(program, command).find(({ short, long }) => word === short || word === long)
      if (option?.required) valueOf = option.attributeName()
    } else {
      const next = command.commands.find((sub) => sub.name() === word)
      if (next === undefined) args = [...args, word]
      else command = next
    }
  }
  if (valueOf !== undefined) return valueOf === 'output' ? [...FORMATS] : []
  if (last.startsWith('-'))
    return optionsOf(program, command).flatMap(({ short, long }) => [short, long].filter(isText))
  if (command.commands.length > 0) return command.commands.map((sub) => sub.name())
  const argument = command.registeredArguments[Math.min(args.length, command.registeredArguments.length - 1)]
  const session = new Session(io, { ...(flags as Partial<Flags>), color: false, timeout: `${ASK_MS}ms` })
  return argument === undefined ? [] : namesFor(session, argument.name(), args).catch(() => [])
}

function optionsOf(program: Command, command: Command) {
  return [...command.options, ...(command === program ? [] : program.options)]
}

function isText(text: string | undefined): text is string {
  return text !== undefined
}

/** @param kind the name of the argument in the usage of the verb */
async function namesFor(session: Session, kind: string, [service = '']: string[]): Promise<string[]> {
  const ask = async (path: string, query = {}) => {
    const { body } = await session.get<{ items: { name: string; id: string }[] }>(path, query)
    return body.items
  }
  if (kind === 'service') return (await ask('/v1/services', { view: 'summary' })).map(({ name }) => name)
  if (kind === 'method') return (await ask(route`/v1/services/${service}/methods`)).map(({ name }) => name)
  if (kind === 'id') return (await ask('/v1/jobs', { limit: 20 })).map(({ id }) => id)
  if (kind === 'node') return (await ask('/v1/nodes')).map(({ name }) => name)
  return []
}
