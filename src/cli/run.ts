/** Runs a command line: `run(argv, io)` answers its exit code. A test runs it in its own process. */
import { CommanderError } from 'commander'
import { EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'
import { buildProgram } from './program.ts'
import { Session } from './session.ts'
import { loadVerbs } from './verbs/index.ts'

/** Of the help where there is no terminal, and at most. */
const HELP_WIDTH = 100

/** @param argv without the program itself */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let session: Session | undefined
  const [first] = argv
  const program = buildProgram({
    verbs: await loadVerbs(first),
    run: async (verb, args, options, flags) => {
      session = new Session(io, flags)
      await verb.run(session, args, options)
    },
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    helpWidth: Math.min(io.stdout.columns ?? HELP_WIDTH, HELP_WIDTH),
  })
  if (first === undefined) {
    program.outputHelp({ error: true })
    return EXIT.usage
  }
  try {
    if (first === 'complete') await (await import('./complete.ts')).complete(program, argv.slice(1), io)
    else await program.parseAsync(argv, { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    const { tellError } = await import('./error-message.ts')
    const { exit, text } = await tellError(error, session, io.interrupted.aborted)
    io.stderr.write(text)
    return exit
  }
}
