/** Runs the command line in this process, against a server of a test. */
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { run } from '../../src/cli/run.ts'
import { serve, type ServeOptions, type TestServer, within } from '../http-helper.ts'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

export interface CliSettings {
  stdin?: string
  env?: NodeJS.ProcessEnv
  /** Ctrl-C. */
  interrupted?: AbortSignal
}

/** Runs `threadplane …`; nothing is a terminal. */
export async function cli(argv: string[], { stdin = '', env = {}, interrupted }: CliSettings = {}): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const [outText, errText] = [text(stdout), text(stderr)]
  const io = {
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    env,
    interrupted: interrupted ?? new AbortController().signal,
  }
  const code = await within(run(argv, io), `threadplane ${argv.join(' ')}`)
  stdout.end()
  stderr.end()
  return { code, stdout: await outText, stderr: await errText }
}

/** The environment that leads to a server. */
export function envOf({ port, folder }: TestServer): NodeJS.ProcessEnv {
  return {
    THREADPLANE_URL: `http://127.0.0.1:${port}`,
    XDG_CONFIG_HOME: folder,
    THREADPLANE_DATA: join(folder, 'data'),
  }
}

/** A server with the bundled service `primes`, and fixtures. */
export async function servePrimes(t: Test, services: ServeOptions['services'] = {}): Promise<TestServer> {
  const folder = mkdtempSync(fileURLToPath(new URL('../http-', import.meta.url)))
  mkdirSync(join(folder, 'workers'))
  copyFileSync(new URL('../../workers/primes.js', import.meta.url), join(folder, 'workers', 'primes.js'))
  return serve(t, { services, folder })
}
