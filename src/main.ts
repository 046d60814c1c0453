#!/usr/bin/env node
/** The command line. What serves is loaded by the process that serves: the one above it stays small. */
import { parseArgs } from 'node:util'
import { readConfig } from './config.ts'
import { endWithMessage } from './log.ts'

const USAGE = `threadplane: an HTTP control plane for worker threads

  threadplane serve [folder]   serve the service modules of a folder; without one, the bundled ones
      --no-supervise           in this process, which nobody brings back when it is aborted

Settings are environment variables named THREADPLANE_…; the README has their table.`

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, 'no-supervise': { type: 'boolean' } },
  })
  const [command, folder, ...more] = positionals
  if (values.help) console.log(USAGE)
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
  endWithMessage(error)
}

async function serve(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment)
  if (config.supervise) {
    const { Launcher } = await import('./launcher/launcher.ts')
    process.exit(await new Launcher(config, environment).run())
  }
  const { serve } = await import('./server/serve.ts')
  await serve(config)
}
