/**
 * The commands that need no server and are no part of this folder: `src/main.ts` runs them, so that `serve` stays light.
 * They are listed here for the help, the completion and `docs/cli.md`.
 */
export interface LocalCommand {
  name: string
  /** As commander writes them. */
  args: string
  summary: string
}

export const LOCAL_COMMANDS: readonly LocalCommand[] = [
  { name: 'serve', args: '[folder]', summary: 'run a server with the service modules of the folder' },
  { name: 'dev', args: '[folder]', summary: 'run a server and load what is edited anew: see threadplane dev --help' },
  { name: 'init', args: '[folder]', summary: 'make a project with a first service: see threadplane init --help' },
  { name: 'token', args: '[words...]', summary: 'make, list and revoke tokens: see threadplane token --help' },
  {
    name: 'migrate',
    args: '[words...]',
    summary: 'copy the data of a server to a database, or back: see threadplane migrate --help',
  },
]
