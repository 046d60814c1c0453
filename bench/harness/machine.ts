/** Describes the machine on which figures were measured, and assigns its cores to the servers and to the load. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { ROOT, peerVersion } from './peers.ts'

/** A load average above this before the run means that another program is busy. */
const QUIET_LOAD_AVERAGE = 0.5

/** The first two cores that this process may use, so that figures of larger machines can be compared. */
const CORES = allowedCores().slice(0, 2)

export type Cores = 'both cores' | 'one core'

/**
 * What to put before the command lines of servers and load. On 'one core', servers share the first and load has the
 * second.
 */
export function pins(cores: Cores): { servers: string[]; load: string[] } {
  if (CORES.length < 2) throw new Error('two cores are needed')
  const pin = (which: number[]) => ['taskset', '-c', which.join()]
  if (cores === 'both cores') return { servers: pin(CORES), load: pin(CORES) }
  return { servers: pin(CORES.slice(0, 1)), load: pin(CORES.slice(1)) }
}

/** How long the two cores have been idle so far, together. Source: proc(5), /proc/stat, in units of 10 ms */
export function idleMs(): number {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  return CORES.reduce((sum, core) => {
    const [, , , , idle, waiting] = lines.find((line) => line.startsWith(`cpu${core} `))?.split(' ') ?? []
    return sum + (Number(idle) + Number(waiting)) * 10
  }, 0)
}

/** Source: proc(5), Cpus_allowed_list, such as `0-3,8`. */
function allowedCores(): number[] {
  const [, list = ''] = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** @param peers packages whose versions are reported */
export function describeMachine(peers: readonly string[]): Record<string, string> {
  const processors = cpus()
  const peerVersions = peers.map((name) => [name, peerVersion(name) ?? 'missing'])
  return {
    date: new Date().toISOString(),
    processor: `${processors.length} × ${processors[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    'load average before': loadavg()
      .map((load) => load.toFixed(1))
      .join(' '),
    node: process.version,
    threadplane: `${versionIn(`${ROOT}package.json`)}, commit ${commit()}`,
    fastify: versionIn(`${ROOT}node_modules/fastify/package.json`),
    zod: versionIn(`${ROOT}node_modules/zod/package.json`),
    ...Object.fromEntries(peerVersions),
  }
}

/** Prints a warning before the figures if the machine is busy. */
export function warnOfNoise(): void {
  const [load = 0] = loadavg()
  if (load > QUIET_LOAD_AVERAGE)
    console.log(`this machine is busy (load average ${load.toFixed(1)}): the figures will vary`)
}

function versionIn(file: string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function commit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim() ?? ''
  const id = git('rev-parse', '--short', 'HEAD')
  return id === '' ? 'unknown' : `${id}${git('status', '--porcelain', 'src', 'routes') === '' ? '' : ' and changes'}`
}
