#!/usr/bin/env node
/** The command line. The modules of the server are loaded only in the server process, so that the launcher stays small. */
import { parseArgs } from 'node:util'

const USAGE = `threadplane: an HTTP control plane for worker threads

  threadplane serve [folder]   run a server with the service modules of the folder;
                               without a folder, with the bundled modules
      --no-supervise           run the server in this process: nothing starts it again after a crash
  threadplane -h, --help       show this text
  threadplane --version        show the version

Settings are environment variables: THREADPLANE_PORT=9000 threadplane serve.
The README has a table of all settings.`

try {
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
} catch (error) {
  if ((error as NodeJS.ErrnoException).code === 'EMFILE') {
    console.error('threadplane: too many files are open: raise the limit of open files (ulimit -n) to 1024 or more')
    process.exit(1)
  }
  const { endWithMessage } = await import('./log.ts')
  endWithMessage(error)
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
