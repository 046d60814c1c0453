#!/usr/bin/env node
/** The command line. The modules of the server are loaded only in the server process, so that the launcher stays small. */
import { parseArgs } from 'node:util'

const USAGE = `threadplane: an HTTP control plane for worker threads

  threadplane serve [folder]   run a server with the service modules of the folder;
                               without a folder, with the bundled modules
      --no-supervise           run the server in this process: nothing starts it again after a crash
  threadplane dev [folder]     run a server and load what is edited anew: see threadplane dev --help
  threadplane init [folder]    make a project with a first service: see threadplane init --help
  threadplane token …          make, list and revoke tokens: see threadplane token --help
  threadplane migrate …        copy the data of a server to a database, or back: see threadplane migrate --help
  threadplane -h, --help       show this text
  threadplane --version        show the version

Settings are environment variables: THREADPLANE_PORT=9000 threadplane serve.
docs/settings.md has a table of all settings.`

const args = process.argv.slice(3)

try {
  if (process.argv[2] === 'token') await token(args)
  else if (process.argv[2] === 'dev') process.exitCode = await (await import('./dev/dev-command.ts')).devCommand(args)
  else if (process.argv[2] === 'init')
    process.exitCode = await (await import('./init/init-command.ts')).initCommand(args)
  else if (process.argv[2] === 'migrate') await migrate(args)
  else await main()
} catch (error) {
  if ((error as NodeJS.ErrnoException).code === 'EMFILE') {
    console.error('threadplane: too many files are open: raise the limit of open files (ulimit -n) to 1024 or more')
    process.exit(1)
  }
  const { endWithMessage } = await import('./log.ts')
  endWithMessage(error)
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
      'no-supervise': { type: 'boolean' },
    },
  })
  const [command, folder, ...more] = positionals
  if (values.help) console.log(USAGE)
  else if (values.version) console.log((await import('./config.ts')).packageVersion())
  else if (command !== 'serve' || more.length > 0) {
    console.error(USAGE)
    process.exitCode = 2
  } else {
    await serve({
      ...process.env,
      ...(folder !== undefined && { THREADPLANE_WORKERS: folder }),
      ...(values['no-supervise'] && { THREADPLANE_SUPERVISE: 'false' }),
    })
  }
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

async function serve(environment: NodeJS.ProcessEnv): Promise<void> {
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
