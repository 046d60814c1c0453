/**
 * The last hour of each service, in steps of 10 s: a ring of numbers in memory, lost with the process. It costs 14 KiB a
 * service, allocated once, and a step costs nothing that calls would notice: it reads what the service counts anyway.
 */
import type { SupervisedService } from '../services/supervised-service.ts'

const STEP_MS = 10_000
const STEPS = 360

/** `calls`, `jobs` and `failures` are those of a step. All others are as they were at its end. */
export const SERIES_COLUMNS = ['calls', 'jobs', 'failures', 'retries', 'queue', 'running', 'heapBytes', 'elu'] as const
type Column = (typeof SERIES_COLUMNS)[number]
const WIDTH = SERIES_COLUMNS.length

interface Series {
  stepMs: number
  columns: readonly Column[]
  /** When each step ended, in milliseconds since the epoch, and its numbers; the oldest first. */
  points: [at: number, ...values: number[]][]
}

interface Ring {
  /** Numbers of steps. A step that the service did not exist in is NaN. */
  values: Float32Array
  /** What had been counted at the last step. */
  counted: SupervisedService['counter']['counts']
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
    const { counts } = service.counter
    let ring = this.#rings.get(service.name)
    if (ring === undefined) {
      const values = new Float32Array(STEPS * WIDTH).fill(Number.NaN)
      ring = { values, counted: { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 } }
      this.#rings.set(service.name, ring)
    }
    const { values, counted } = ring
    // A service that was deleted and registered again counts from 0.
    const since = (key: keyof typeof counts) => counts[key] - (counts[key] < counted[key] ? 0 : counted[key])
    const { threads } = service
    const numbers: Record<Column, number> = {
      calls: since('calls'),
      jobs: since('casts'),
      failures: since('failed'),
      retries: since('retried'),
      queue: service.waiting,
      running: service.running,
      heapBytes: threads.reduce((sum, { heapUsedBytes }) => sum + heapUsedBytes, 0),
      elu: threads.reduce((most, { eventLoopUtilization }) => Math.max(most, eventLoopUtilization), 0),
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
      if (values.some((value) => value !== undefined)) points.push([at, ...values.map((value) => value ?? 0)])
    }
    return { stepMs: STEP_MS, columns: SERIES_COLUMNS, points }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** A number of several services: the sum, and of the load the greatest. `undefined` if there was none of them. */
function together(name: Column, rings: Ring[], index: number): number | undefined {
  let result: number | undefined
  for (const { values } of rings) {
    const value = values[index] as number
    if (Number.isNaN(value)) continue
    result = result === undefined ? value : name === 'elu' ? Math.max(result, value) : result + value
  }
  return result
}
