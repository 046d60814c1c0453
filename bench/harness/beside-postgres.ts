/** A server beside a PostgreSQL of its own, both as one process under measurement. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bin } from '../../test/cluster/postgres.ts'
import { freePort } from './contender.ts'

const LAUNCHER = fileURLToPath(new URL('../servers/with-postgres.js', import.meta.url))

interface BesidePostgres {
  /** Of the database. */
  url: string
  /** Put before the command line of the server. */
  prefix: string[]
}

/** @param prefix put before all, such as `taskset -c 0` */
export async function besidePostgres(prefix: readonly string[]): Promise<BesidePostgres> {
  const port = await freePort()
  return {
    url: `postgres://threadplane@127.0.0.1:${port}/postgres`,
    prefix: [...prefix, process.execPath, LAUNCHER, String(port)],
  }
}

export function postgresVersion(): string {
  if (bin === undefined) return 'missing'
  const output = execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' })
  return /\d\S*/.exec(output)?.[0] ?? 'unknown'
}
