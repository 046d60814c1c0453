/**
 * `threadplane dev`: a server in this process, for work on its service modules. What is edited is loaded anew while calls go
 * on, and what changed for clients is printed.
 */
import { existsSync } from 'node:fs'
import { open as openInspector, url as inspectorUrl } from 'node:inspector'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { type Config, readConfig } from '../config.ts'
import { createReadableLogger } from '../log.ts'
import { serve } from '../server/serve.ts'
import { timings } from '../threads/timings.ts'
import { followKeys } from './keys.ts'
import { LiveReload } from './live-reload.ts'
import { nextFreePort } from './next-free-port.ts'
import { openBrowser } from './open-browser.ts'
import { Output } from './output.ts'

const USAGE = `threadplane dev [folder]: run a server, and load what is edited anew

  The folder is that of the service modules; default: THREADPLANE_WORKERS, or else services.
      --port 9000   the port; default: THREADPLANE_PORT, or else 8080. If it is taken, the next free one
      --open        open the page of the server in the browser
      --inspect     open a debugger for the threads of the services, on port 9229 or the next free one
  -h, --help        show this text

All settings of threadplane serve apply. THREADPLANE_SHOW_STACKS is true, unless it is set.`

const DEFAULT_FOLDER = 'services'
const INSPECTOR_PORT = 9_229
const LOOPBACK = '127.0.0.1'

/**
 * Resolves when the server runs: with 0, or 2 after a wrong command line. A signal ends the process.
 * @throws Error if the server cannot start
 */
export async function devCommand(args: string[]): Promise<number> {
  const options = {
    help: { type: 'boolean', short: 'h' },
    port: { type: 'string' },
    open: { type: 'boolean' },
    inspect: { type: 'boolean' },
  } as const
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  if (values.help || positionals.length > 1) {
    if (values.help) console.log(USAGE)
    else console.error(USAGE)
    return values.help ? 0 : 2
  }
  const config = configOf(positionals[0], values.port)
  if (!existsSync(config.workers)) {
    throw new Error(
      `there is no folder ${config.workers}: name the folder of your service modules, or make a project with threadplane init`,
    )
  }
  const colours = process.stdout.isTTY && !process.env.NO_COLOR
  const output = new Output(colours, (text) => process.stdout.write(text))
  const port = await nextFreePort(config.host, config.port)
  if (port !== config.port) output.say(`port ${config.port} is taken: this server has port ${port}`)
  if (values.inspect) await inspect(output)
  const server = await serve({ ...config, port }, undefined, await createReadableLogger(config, colours))
  if (server.registry.closing) return 0
  const live = await LiveReload.start(server, output)
  const { port: listens } = server.app.server.address() as AddressInfo
  const page = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listens}/`
  const open = () => openBrowser(page, (error) => output.failed(`open ${page} yourself`, error.message))
  if (values.open) open()
  followKeys(process.stdin, { reload: () => void live.reloadAll(), open })
  const keys = process.stdin.isTTY ? ' · r reloads all services, o opens the page, q ends' : ''
  output.say(`${page} · ${config.workers} is watched${keys}`)
  return 0
}

function configOf(folder: string | undefined, port: string | undefined): Config {
  const { THREADPLANE_WORKERS } = process.env
  return readConfig({
    THREADPLANE_SHOW_STACKS: 'true',
    ...process.env,
    THREADPLANE_WORKERS: folder ?? (THREADPLANE_WORKERS || DEFAULT_FOLDER),
    ...(port !== undefined && { THREADPLANE_PORT: port }),
  })
}

/** A debugger finds the threads of this process by itself. A thread that stands at a breakpoint is not ended for that. */
async function inspect(output: Output): Promise<void> {
  if (inspectorUrl() === undefined) openInspector(await nextFreePort(LOOPBACK, INSPECTOR_PORT), LOOPBACK)
  Object.assign(timings, { leastCancelGraceMs: Number.POSITIVE_INFINITY, blockedAfterMs: Number.POSITIVE_INFINITY })
  output.say(`a debugger can attach to ${inspectorUrl()}: the threads of services are its workers`)
}
