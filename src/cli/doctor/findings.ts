/** The checks of `threadplane doctor`: of this machine, with the settings of the environment, and of the server. */
import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { readTokens } from '../../auth/tokens-file.ts'
import { type Config, readConfig } from '../../config.ts'
import type { Session } from '../session.ts'
import { shortSize, shortTime } from '../output/units.ts'
import { fsyncTimeMs } from './fsync-time.ts'
import { whoListens } from './port.ts'

export interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  detail: string
}
type Found = Omit<Finding, 'check'>

const LEAST_NODE = [20, 19] as const
/** A cast waits for one fsync at least. */
const SLOW_FSYNC_MS = 20
const LEAST_FREE_BYTES = 1_000_000_000
/** `Date` of an answer has whole seconds. */
const MAX_SKEW_MS = 2_000
/** Beside the heaps of the threads: the server itself. */
const SERVER_BYTES = 200_000_000

const ok = (detail: string): Found => ({ result: 'ok', detail })
const warn = (detail: string): Found => ({ result: 'warn', detail })
const fail = (detail: string): Found => ({ result: 'fail', detail })

/** Each check finds something, also if it cannot be made. */
export async function findings(session: Session): Promise<Finding[]> {
  const config = settings(session.io.env)
  const server = await askServer(session)
  const checks: Record<string, () => Found | Promise<Found>> = {
    node: checkNode,
    settings: () => (config instanceof Error ? fail(config.message) : ok('all settings of the environment are valid')),
    server: () => server.found,
    clock: () => checkClock(server),
    memory: () => checkMemory(server.services),
    ...(!(config instanceof Error) && {
      port: () => checkPort(config),
      data: () => checkData(config),
      tokens: () => checkTokens(config),
    }),
  }
  const items: Finding[] = []
  for (const [check, find] of Object.entries(checks)) {
    const found = await Promise.resolve()
      .then(find)
      .catch((error: unknown) => fail((error as Error).message))
    items.push({ check, ...found })
  }
  return items
}

function settings(env: NodeJS.ProcessEnv): Config | Error {
  try {
    return readConfig(env)
  } catch (error) {
    return error as Error
  }
}

function checkNode(): Found {
  const { version, arch, platform } = process
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [leastMajor, leastMinor] = LEAST_NODE
  const isOld = major < leastMajor || (major === leastMajor && minor < leastMinor)
  const detail = `${version}, ${platform} ${arch}`
  return isOld ? fail(`${detail}: threadplane needs ${LEAST_NODE.join('.')} or newer`) : ok(detail)
}

interface Heaps {
  threads: { wanted: number }
  options: { threads?: number; limits?: { maxOldGenerationSizeMb?: number; maxRssMb?: number } }
}

interface Server {
  found: Found
  /** Server time minus that of this machine, in milliseconds. */
  skewMs?: number
  services?: Heaps['options'][]
}

async function askServer(session: Session): Promise<Server> {
  const { url } = await session.target()
  const plane = await session.plane()
  try {
    const since = Date.now()
    const response = await plane.fetch('GET', '/v1/services', { retry: false, signal: session.io.interrupted })
    const { items } = (await response.json()) as { items: { name: string; state: string; options: Heaps['options'] }[] }
    const date = Date.parse(response.headers.get('date') ?? '')
    const running = items.filter(({ state }) => state === 'running').length
    const found = ok(
      `${url} answers within ${shortTime(Date.now() - since)}; ${running} of ${items.length} services run`,
    )
    return {
      found,
      services: items.map(({ options }) => options),
      // The header has cut off half a second on average.
      ...(!Number.isNaN(date) && { skewMs: date + 500 - (since + Date.now()) / 2 }),
    }
  } catch (error) {
    return { found: warn(`${url}: ${(error as Error).message}`) }
  }
}

function checkClock({ skewMs }: Server): Found {
  if (skewMs === undefined) return warn('the server does not answer: its clock is not known')
  const detail = `the clock of the server differs by ${skewMs < 1_000 ? 'less than a second' : shortTime(Math.abs(skewMs))}`
  return Math.abs(skewMs) > MAX_SKEW_MS ? warn(detail) : ok(detail)
}

/** All threads may use up their heaps at the same time. */
function checkMemory(services: Heaps['options'][] | undefined): Found {
  const total = totalmem()
  // 0 or more than there is: no cgroup limits it.
  const constrained = process.constrainedMemory() || total
  const isLimited = constrained < total
  const has = Math.min(constrained, total)
  const limit = isLimited ? `${shortSize(has)} by cgroup, of ${shortSize(total)}` : shortSize(has)
  if (services === undefined) return ok(limit)
  const ofThread = ({ limits = {} }: Heaps['options']) =>
    limits.maxRssMb !== undefined
      ? limits.maxRssMb * 1024 * 1024
      : (limits.maxOldGenerationSizeMb ?? getHeapStatistics().heap_size_limit / 1024 / 1024) * 1024 * 1024
  const needs = services.reduce((sum, options) => sum + (options.threads ?? 1) * ofThread(options), SERVER_BYTES)
  const detail = `${limit}; the heaps of all threads may take ${shortSize(needs)}`
  return needs > has ? warn(`${detail}: set limits.maxOldGenerationSizeMb of the services`) : ok(detail)
}

async function checkPort({ host, port }: Config): Promise<Found> {
  const listener = await whoListens(host, port)
  if (listener === 'nobody') return ok(`${host}:${port} is free`)
  if (listener === 'threadplane') return ok(`${host}:${port} is used by a server of threadplane`)
  return fail(`${host}:${port} is used by another program (${listener}): set THREADPLANE_PORT`)
}

async function checkData({ data }: Config): Promise<Found> {
  const timeMs = await fsyncTimeMs(data)
  if (timeMs === undefined) return ok(`${data} is not there yet: the server makes it`)
  const { bavail, bsize } = await statfs(data)
  const free = bavail * bsize
  const detail = `${data}: fsync takes ${shortTime(timeMs)}, ${shortSize(free)} are free`
  if (free < LEAST_FREE_BYTES) return warn(`${detail}: that is little`)
  return timeMs > SLOW_FSYNC_MS ? warn(`${detail}: each cast waits for that`) : ok(detail)
}

async function checkTokens({ tokens: file, host, adminToken, adminTokenFile }: Config): Promise<Found> {
  const { tokens } = await readTokens(file)
  if (tokens.length > 0) return ok(`${tokens.length} in ${file}`)
  if (adminToken !== '' || adminTokenFile !== '') return ok('one, of the environment')
  return ok(`none in ${file}: everybody who reaches ${host} may do everything`)
}
