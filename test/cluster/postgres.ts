/**
 * A real PostgreSQL for the tests: a child of the test's process, with a data folder of its own, on a port of loopback. It
 * can be killed, stopped as a machine that hangs, started again, and followed by a standby that takes its place. Where none
 * is installed, `noPostgres` says so, and tests are skipped.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { Deferred } from '../../src/async/deferred.ts'
import { resolvesWithin } from '../../src/async/deadline.ts'
import { timings } from '../../src/cluster/timings.ts'
import { freePort } from '../free-port.ts'

/** The part of a tap test that is needed here. */
export interface Teardown {
  teardown(run: () => unknown): unknown
}

/** A line of the server's log: that it takes connections. */
const ACCEPTS = /database system is ready to accept (read-only )?connections/

const FOLDERS = '/usr/lib/postgresql'
const DEADLINE_MS = 60_000

/** Where initdb and postgres are: Debian keeps each version in a folder of its own. */
function binaries(): string | undefined {
  const versions = existsSync(FOLDERS) ? readdirSync(FOLDERS).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => join(FOLDERS, version, 'bin')), ...(process.env.PATH ?? '').split(':')]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/** The folder of PostgreSQL's programs, if it is installed. */
export const bin = binaries()

/** For the option `skip` of a test: why it cannot run here, or false. */
export const noPostgres = bin === undefined ? 'PostgreSQL is not installed: apt-get install postgresql' : false

/** The data folder of a new database. Each version of PostgreSQL has its own. */
const EMPTY = fileURLToPath(new URL(`../../../.tap/postgres${bin?.replaceAll('/', '-')}`, import.meta.url))

/** With owners and modes, which PostgreSQL insists on. */
function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  execFileSync('cp', ['--archive', from, to])
}

/** PostgreSQL does not run as root. */
function user(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

export interface PostgresOptions {
  /** Flush to the disk. Off by default, as no test loses its machine: what is written survives a killed server. */
  fsync?: boolean
  /** Default: a free one. */
  port?: number
  /** Further settings of the server. */
  settings?: Record<string, string>
}

// On a busy machine a beat, and an answer of another node, may take longer than a user should wait for it.
timings.beatWithinMs = 3_000
timings.showWithinMs = 20_000

export class Postgres {
  readonly folder: string
  readonly port: number
  readonly #options: PostgresOptions
  readonly #settings: string[]
  readonly #user = user()
  #server: ChildProcess | undefined
  /** Resolves when the server says that it takes connections. */
  #accepts = new Deferred<void>()

  private constructor(folder: string, port: number, options: PostgresOptions) {
    const { fsync = false, settings = {} } = options
    this.folder = folder
    this.port = port
    this.#options = options
    const all = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: fsync ? 'on' : 'off',
      full_page_writes: fsync ? 'on' : 'off',
      shared_buffers: '32MB',
      max_connections: '60',
      ...settings,
    }
    this.#settings = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  }

  /** Makes a database, starts its server, and ends and deletes both when the test is over. */
  static async start(t: Teardown, options: PostgresOptions = {}): Promise<Postgres> {
    const postgres = await Postgres.#prepare(t, options)
    if (!existsSync(EMPTY)) postgres.#initialize()
    copy(EMPTY, postgres.folder)
    await postgres.start()
    return postgres
  }

  /** Makes a data folder, which is copied from then on: to make one takes a second and more. */
  #initialize(): void {
    const given = ['-D', this.folder, '-U', 'threadplane', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    const stdio = ['ignore', 'ignore', 'inherit'] as const
    execFileSync(join(bin as string, 'initdb'), given, { ...this.#user, cwd: '/', stdio: [...stdio] })
    const made = `${EMPTY}.${process.pid}`
    copy(this.folder, made)
    rmSync(this.folder, { recursive: true })
    try {
      renameSync(made, EMPTY)
    } catch {
      // Another test has made it meanwhile.
      rmSync(made, { recursive: true })
    }
  }

  /** Chooses a folder, which is deleted when the test is over, and a port. */
  static async #prepare(t: Teardown, options: PostgresOptions): Promise<Postgres> {
    // The user of the database must reach it, which a testdir below root's home need not allow.
    const folder = mkdtempSync(join(tmpdir(), 'threadplane-postgres-'))
    const postgres = new Postgres(join(folder, 'data'), options.port ?? (await freePort()), options)
    // A test that crashes has no teardown, and must leave no server behind.
    const atExit = () => postgres.#server?.kill('SIGKILL')
    process.once('exit', atExit)
    t.teardown(async () => {
      process.off('exit', atExit)
      await postgres.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    const owner = postgres.#user
    if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
    return postgres
  }

  /** Starts a copy that follows this server. From then on each commit here waits until the copy has it on its disk. */
  async startStandby(t: Teardown): Promise<Postgres> {
    const settings = { ...this.#options.settings, wal_retrieve_retry_interval: '50ms' }
    const standby = await Postgres.#prepare(t, { ...this.#options, port: await freePort(), settings })
    // The copy is made before this server names a standby: so the copy waits for none when it takes the place.
    const given = ['-D', standby.folder, '-d', this.url, '-X', 'stream', '--checkpoint=fast', '-R', '--no-sync']
    await promisify(execFile)(join(bin as string, 'pg_basebackup'), given, { ...this.#user, cwd: '/' })
    await standby.start()
    await this.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await this.query('SELECT pg_reload_conf()')
    const deadline = performance.now() + DEADLINE_MS
    const follows = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
    while ((await this.query(follows)).length === 0) {
      if (performance.now() > deadline) throw new Error('the standby does not follow')
      await sleep(20)
    }
    return standby
  }

  /** This standby takes the place of the server that it follows, and accepts writes when this resolves. */
  async promote(): Promise<void> {
    const [answer] = await this.query<{ done: boolean }>('SELECT pg_promote(true, 60) AS done')
    if (answer?.done !== true) throw new Error('the standby was not promoted')
  }

  get url(): string {
    return `postgres://threadplane@127.0.0.1:${this.port}/postgres`
  }

  /** The name of a schema that no other test has. */
  schema(): string {
    return `test_${randomBytes(6).toString('hex')}`
  }

  /** Starts the server, and waits until it can be used. */
  async start(): Promise<void> {
    await this.spawn()
    await this.ready()
  }

  /** Starts the server, and does not wait for it. */
  async spawn(): Promise<void> {
    const given = ['-D', this.folder, ...this.#settings]
    const server = spawn(join(bin as string, 'postgres'), given, {
      ...this.#user,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#server = server
    const accepts = new Deferred<void>()
    this.#accepts = accepts
    createInterface({ input: server.stderr }).on('line', (line) => {
      if (process.env.POSTGRES_LOG) console.error(line)
      if (ACCEPTS.test(line)) accepts.resolve()
    })
    server.once('exit', (code) => accepts.reject(new Error(`postgres ended: ${code}`)))
    accepts.promise.catch(() => {})
    await once(server, 'spawn')
  }

  /** Waits until the server answers a statement. To ask it again and again would keep it from its start. */
  async ready(): Promise<void> {
    if (!(await resolvesWithin(this.#accepts.promise, DEADLINE_MS))) throw new Error('postgres does not start')
    await this.query('SELECT 1')
  }

  /** One statement, or several without values, on a connection of its own. */
  async query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<Row>(text, values as never)).rows
    } finally {
      await client.end()
    }
  }

  /** Kills the server with all its processes, as `kill -9` does, and waits until all are gone. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    const all = this.#processes()
    for (const pid of all) signal(pid, 'SIGKILL')
    await ended
    while (all.some(isAlive)) await sleep(5)
  }

  /** Of its first process, which starts the others. */
  get pid(): number {
    return this.#server?.pid as number
  }

  /** Stops every process of the server where it is: connections stay open, and nothing answers. */
  freeze(): void {
    // Until none is found that runs: the server may be beginning one just now.
    for (;;) {
      const all = new Set(this.#processes())
      const running = allProcesses().filter(({ pid, state }) => all.has(pid) && state !== 'T' && state !== 'Z')
      if (running.length === 0) return
      for (const { pid } of running) signal(pid, 'SIGSTOP')
    }
  }

  thaw(): void {
    for (const pid of this.#processes()) signal(pid, 'SIGCONT')
  }

  /** The server and its children: each is in a session of its own. */
  #processes(): number[] {
    const server = this.#server?.pid
    if (server === undefined) return []
    return [server, ...allProcesses().flatMap(({ pid, parent }) => (parent === server ? [pid] : []))]
  }
}

function allProcesses(): { pid: number; parent: number; state: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const [state = '', parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      return [{ pid: Number(name), parent: Number(parent), state }]
    } catch {
      return []
    }
  })
}

function isAlive(pid: number): boolean {
  return allProcesses().some((each) => each.pid === pid && each.state !== 'Z')
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended by itself.
  }
}
