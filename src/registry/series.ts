/**
 * The last hour of each service, in steps of 10 s: a ring of numbers in memory, lost with the process. It costs 14 KiB a
 * service, allocated once, and a step costs nothing that calls would notice: it reads what the service counts anyway.
 */
import type { SupervisedService } from '../services/supervised-service.ts'

const STEP_MS = 10_000
const STEPS = 360

/**
 * `calls`, `jobs`, `failures` and `retries` are those of a step, and `runP50Ms` and `runP95Ms` are of the methods that have
 * ended in it. All others are as they were at its end.
 */
export const SERIES_COLUMNS = [
  'calls',
  'jobs',
  'failures',
  'retries',
  'queue',
  'running',
  'heapBytes',
  'elu',
  'runP50Ms',
  'runP95Ms',
] as const
type Column = (typeof SERIES_COLUMNS)[number]
const WIDTH = SERIES_COLUMNS.length
/** Columns of which several services have no sum. */
const GREATEST: ReadonlySet<Column> = new Set(['elu', 'runP50Ms', 'runP95Ms'])

interface Series {
  stepMs: number
  columns: readonly Column[]
  /** When each step ended, in milliseconds since the epoch, and its numbers; the oldest first. */
  points: [at: number, ...values: (number | null)[]][]
}

interface Ring {
  /** Numbers of steps, NaN where there is none: the service did not exist, or no method has ended. */
  values: Float32Array
  /** What had been counted at the last step. */
  counted: SupervisedService['counter']['counts']
  meter: SupervisedService['meter']
  runs: ReturnType<SupervisedService['meter']['recentRuns']>
}

export class SeriesRecorder {
  readonly #services: () => SupervisedService[]
  /** One for each service that exists: its number is limited by THREADPLANE_MAX_SERVICES. */
  readonly #rings = new Map<string, Ring>()
  /** When the step at an index of the rings ended. */
  readonly #times = new Float64Array(STEPS)
  readonly #timer: NodeJS.Timeout
  /** Steps so far. */
  #steps = 0

  constructor(services: () => SupervisedService[]) {
    this.#services = services
    this.#timer = setInterval(() => this.record(Date.now()), STEP_MS).unref()
  }

  /** Ends a step. The timer calls it, and tests. */
  record(now: number): void {
    const index = this.#steps % STEPS
    const services = this.#services()
    const names = new Set(services.map(({ name }) => name))
    for (const name of this.#rings.keys()) if (!names.has(name)) this.#rings.delete(name)
    for (const service of services) this.#write(service, index)
    this.#times[index] = now
    this.#steps += 1
  }

  #write(service: SupervisedService, index: number): void {
    const { meter, counter, threads } = service
    const { counts } = counter
    let ring = this.#rings.get(service.name)
    if (ring === undefined) {
      const values = new Float32Array(STEPS * WIDTH).fill(Number.NaN)
      const counted = { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 }
      ring = { values, counted, meter, runs: meter.recentRuns() }
      this.#rings.set(service.name, ring)
    }
    const { values, counted } = ring
    // A service that was deleted and registered again counts from 0.
    if (ring.meter !== meter) Object.assign(ring, { meter, runs: meter.recentRuns() })
    const since = (key: keyof typeof counts) => counts[key] - (counts[key] < counted[key] ? 0 : counted[key])
    const [runP50Ms, runP95Ms] = ring.runs.take(0.5, 0.95)
    const numbers: Record<Column, number> = {
      calls: since('calls'),
      jobs: since('casts'),
      failures: since('failed'),
      retries: since('retried'),
      queue: service.waiting,
      running: service.running,
      heapBytes: threads.reduce((sum, { heapUsedBytes }) => sum + heapUsedBytes, 0),
      elu: threads.reduce((most, { eventLoopUtilization }) => Math.max(most, eventLoopUtilization), 0),
      runP50Ms: runP50Ms ?? Number.NaN,
      runP95Ms: runP95Ms ?? Number.NaN,
    }
    for (const [column, name] of SERIES_COLUMNS.entries()) values[index * WIDTH + column] = numbers[name]
    Object.assign(counted, counts)
  }

  /** The steps of the last `lastMs`, of some services together. @param counts says which; default: all */
  read(lastMs: number, now: number, counts: (service: string) => boolean = () => true): Series {
    const rings = [...this.#rings].filter(([name]) => counts(name)).map(([, ring]) => ring)
    const points: Series['points'] = []
    for (let step = Math.max(this.#steps - STEPS, 0); step < this.#steps; step += 1) {
      const index = step % STEPS
      const at = this.#times[index] as number
      if (at <= now - lastMs) continue
      const values = SERIES_COLUMNS.map((name, column) => together(name, rings, index * WIDTH + column))
      if (values.every((value) => value === undefined)) continue
      points.push([at, ...values.map((value) => value ?? null)])
    }
    return { stepMs: STEP_MS, columns: SERIES_COLUMNS, points }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** A number of several services: the sum, or the greatest one. `undefined` if there is none. */
function together(name: Column, rings: Ring[], index: number): number | undefined {
  let result: number | undefined
  for (const { values } of rings) {
    const value = values[index] as number
    if (Number.isNaN(value)) continue
    result = result === undefined ? value : GREATEST.has(name) ? Math.max(result, value) : result + value
  }
  // The ring has 32 bits a number, which are not exact thousandths.
  return result === undefined ? undefined : Math.round(result * 1_000) / 1_000
}
