#!/usr/bin/env node
/** The command line. The modules of the server are loaded only in the server process, so that the launcher stays small. */
import { parseArgs } from 'node:util'

const SERVE_USAGE = `threadplane serve [folder]   run a server with the service modules of the folder;
                             without a folder, with the bundled modules
      --no-supervise         run the server in this process: nothing starts it again after a crash

Settings are environment variables: THREADPLANE_PORT=9000 threadplane serve.
docs/settings.md in the repository has a table of all settings.`

/** The commands that need no server. All others are verbs of `src/cli`, which lists these in its help. */
const COMMANDS: Record<string, (args: string[]) => Promise<void>> = { serve, dev, init, token, migrate }

try {
  await main(process.argv.slice(2))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code === 'EMFILE') {
    console.error('threadplane: too many files are open: raise the limit of open files (ulimit -n) to 1024 or more')
    process.exit(1)
  }
  const { endWithMessage } = await import('./log.ts')
  endWithMessage(error)
}

async function main(args: string[]): Promise<void> {
  const [name = '', ...more] = args
  if (Object.hasOwn(COMMANDS, name)) await COMMANDS[name]?.(more)
  else if (name === '--version') console.log((await import('./system/package-version.ts')).packageVersion())
  else {
    const { ioOfProcess } = await import('./cli/io.ts')
    const { run } = await import('./cli/run.ts')
    process.exitCode = await run(args, ioOfProcess())
  }
}

async function serve(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, 'no-supervise': { type: 'boolean' } },
  })
  const [folder, ...more] = positionals
  if (values.help) console.log(SERVE_USAGE)
  else if (more.length > 0) {
    console.error(SERVE_USAGE)
    process.exitCode = 2
  } else {
    await serveFolder({
      ...process.env,
      ...(folder !== undefined && { THREADPLANE_WORKERS: folder }),
      ...(values['no-supervise'] && { THREADPLANE_SUPERVISE: 'false' }),
    })
  }
}

async function dev(args: string[]): Promise<void> {
  process.exitCode = await (await import('./dev/dev-command.ts')).devCommand(args)
}

async function init(args: string[]): Promise<void> {
  process.exitCode = await (await import('./init/init-command.ts')).initCommand(args)
}

async function token(args: string[]): Promise<void> {
  const { readConfig } = await import('./config.ts')
  const { tokenCommand } = await import('./auth/token-command.ts')
  // Other settings may be wrong: only these two say where the file is.
  const { THREADPLANE_DATA, THREADPLANE_TOKENS } = process.env
  const { tokens } = readConfig({
    ...(THREADPLANE_DATA !== undefined && { THREADPLANE_DATA }),
    ...(THREADPLANE_TOKENS !== undefined && { THREADPLANE_TOKENS }),
  })
  process.exitCode = await tokenCommand(args, tokens)
}

async function migrate(args: string[]): Promise<void> {
  const { readConfig } = await import('./config.ts')
  const { migrateCommand } = await import('./transfer/migrate-command.ts')
  // Other settings may be wrong: only these say what is copied.
  const names = ['THREADPLANE_DATA', 'THREADPLANE_DATABASE_URL', 'THREADPLANE_DATABASE_SCHEMA', 'THREADPLANE_LEASE']
  const given = Object.entries(process.env).filter(([name]) => names.includes(name))
  process.exitCode = await migrateCommand(args, () => {
    const { data, databaseUrl, databaseSchema, leaseMs } = readConfig(Object.fromEntries(given))
    return { folder: data, url: databaseUrl, schema: databaseSchema, leaseMs }
  })
}

async function serveFolder(environment: NodeJS.ProcessEnv): Promise<void> {
  // Imported here and not above: with too few files a static import would end in a stack instead of a message.
  const { readConfig } = await import('./config.ts')
  const config = readConfig(environment)
  if (config.supervise) {
    const { Launcher } = await import('./launcher/launcher.ts')
    process.exit(await new Launcher(config, environment).run())
  }
  const { serve } = await import('./server/serve.ts')
  await serve(config)
}
