/** The load generator, in a process of its own: wrk if it is installed, else autocannon. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BENCH, installPeers, PEERS, peerVersion } from './peers.ts'

const run = promisify(execFile)

/** Of the load, unless a part says otherwise. */
const CONNECTIONS = 64
const INTERRUPT_AGAIN_MS = 100
/** The version of wrk, if it is installed. */
const WRK = /wrk (\S+)/.exec(spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout ?? '')?.[1]

export interface Measured {
  /** Answered with success. */
  requests: number
  /** Answered with an error status, or not answered. */
  failed: number
  seconds: number
  p99Ms: number
}

export function describeLoad(): string {
  return `${WRK === undefined ? `autocannon ${peerVersion('autocannon')}` : `wrk ${WRK}`}, ${CONNECTIONS} connections`
}

interface LoadOptions {
  body?: string
  contentType?: string
  connections?: number
}

/** Posts the same body again and again, each time as soon as the answer is there. Has to be closed. */
export class Load {
  readonly #folder = mkdtempSync(join(tmpdir(), 'threadplane-load-'))
  readonly #body = join(this.#folder, 'body')
  readonly #prefix: readonly string[]
  readonly #contentType: string
  readonly #connections: string

  /** Requests answered with success so far, by URL. */
  readonly answered = new Map<string, number>()

  /** @param prefix put before the command line, such as `taskset -c 1` */
  constructor(prefix: readonly string[], options: LoadOptions = {}) {
    const { body = '{"a":2,"b":3}', contentType = 'application/json', connections = CONNECTIONS } = options
    this.#prefix = prefix
    this.#contentType = contentType
    this.#connections = String(connections)
    writeFileSync(this.#body, body)
    if (WRK !== undefined) return
    installPeers()
    if (peerVersion('autocannon') === undefined) throw new Error('there is no load generator: apt-get install wrk')
  }

  async post(url: string, seconds: number): Promise<Measured> {
    const measured = await (WRK === undefined ? this.#autocannon(url, seconds) : this.#withWrk(url, seconds))
    this.answered.set(url, (this.answered.get(url) ?? 0) + measured.requests)
    return measured
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #withWrk(url: string, seconds: number): Promise<Measured> {
    const options = ['-t', '1', '-c', this.#connections, '-d', '1h', '-s', `${BENCH}harness/post.lua`]
    const [command, ...args] = [...this.#prefix, 'wrk', ...options, url]
    const asked = { BENCH_BODY: this.#body, BENCH_TYPE: this.#contentType }
    const wrk = run(command, args, { env: { ...process.env, ...asked } })
    // Its option takes whole seconds only. Interrupted, it reports on the time until then. It ignores an interrupt while
    // it prepares its requests, so it is interrupted until it ends.
    let interrupt: NodeJS.Timeout
    const interruptIn = (ms: number): void => {
      interrupt = setTimeout(() => {
        wrk.child.kill('SIGINT')
        interruptIn(INTERRUPT_AGAIN_MS)
      }, ms)
    }
    interruptIn(seconds * 1_000)
    const { stdout } = await wrk.finally(() => clearTimeout(interrupt))
    const reported = JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<string, number>
    const { answers = 0, refused = 0, broken = 0, seconds: took = 0, p99Ms = 0 } = reported
    return { requests: answers - refused, failed: refused + broken, seconds: took, p99Ms }
  }

  async #autocannon(url: string, seconds: number): Promise<Measured> {
    const request = ['-m', 'POST', '-H', `content-type=${this.#contentType}`, '-i', this.#body]
    const options = ['--json', '--no-progress', '-c', this.#connections, '-d', String(seconds)]
    const program = [process.execPath, `${PEERS}node_modules/autocannon/autocannon.js`]
    const [command, ...args] = [...this.#prefix, ...program, ...options, ...request, url]
    const { stdout } = await run(command, args, { maxBuffer: 16 * 1024 * 1024 })
    const result = JSON.parse(stdout) as Record<string, number> & { latency: { p99: number } }
    const { '2xx': requests = 0, duration = 0, errors = 0, timeouts = 0, non2xx = 0, latency } = result
    return { requests, failed: errors + timeouts + non2xx, seconds: duration, p99Ms: latency.p99 }
  }
}
