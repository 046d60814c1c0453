/** The load generator, in a process of its own: wrk where it is installed, else autocannon. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { BENCH } from './peers.ts'

const run = promisify(execFile)

const CONNECTIONS = 64

export interface Measured {
  requests: number
  seconds: number
  p99Ms: number
  failed: number
}

export interface Load {
  name: string
  /** Posts `{"a":2,"b":3}` as fast as it is answered. */
  post: (url: string, seconds: number) => Promise<Measured>
}

/** @param prefix of its command line, such as `taskset -c 1` */
export function findLoad(prefix: string[]): Load {
  const wrk = /wrk \S+/.exec(spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout ?? '')
  return wrk === null ? autocannon(prefix) : { name: wrk[0], post: (url, seconds) => postWithWrk(prefix, url, seconds) }
}

async function postWithWrk(prefix: string[], url: string, seconds: number): Promise<Measured> {
  const duration = `${Math.round(seconds)}s`
  const options = ['-t', '1', '-c', String(CONNECTIONS), '-d', duration, '-s', `${BENCH}post.lua`]
  const [command, ...args] = [...prefix, 'wrk', ...options, url]
  const { stdout } = await run(command, args)
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Measured
}

function autocannon(prefix: string[]): Load {
  return {
    name: 'autocannon',
    post: async (url, seconds) => {
      const request = ['-m', 'POST', '-H', 'content-type=application/json', '-b', '{"a":2,"b":3}']
      const options = ['--json', '--no-progress', '-c', String(CONNECTIONS), '-d', String(Math.round(seconds))]
      const program = [process.execPath, `${BENCH}peers/node_modules/autocannon/autocannon.js`]
      const [command, ...args] = [...prefix, ...program, ...options, ...request, url]
      const { stdout } = await run(command, args, { maxBuffer: 16 * 1024 * 1024 })
      const result = JSON.parse(stdout) as Record<string, number> & { latency: { p99: number } }
      const { '2xx': requests = 0, duration = 0, errors = 0, timeouts = 0, non2xx = 0, latency } = result
      return { requests, seconds: duration, p99Ms: latency.p99, failed: errors + timeouts + non2xx }
    },
  }
}
