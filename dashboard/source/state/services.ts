/**
 * All services, each with a signal for each group of numbers that changes together: an event changes one cell of a list.
 * The list is read once and again after a gap; events that come meanwhile are applied to the new list.
 */
import { batch, computed, effect, type Signal, signal } from '@preact/signals'
import type { ServiceStatus } from '../../../routes/schemas/service.ts'
import type { ServiceSummary } from '../../../routes/schemas/service-summary.ts'
import { get } from '../api/request.ts'
import { listen } from '../live/bus.ts'
import { statsColumns, streamsBegun } from '../live/live.ts'
import type { LiveEvent, StatsRow } from '../live/live-event.ts'

/** Numbers of a service in the last two seconds; `null`: not known. */
export interface Stats {
  queue: number
  running: number
  callsPerS: number | null
  jobsPerS: number | null
  failedPerS: number | null
  p95Ms: number | null
  elu: number | null
  heapBytes: number
}

export interface Phase {
  state: string
  desiredState: string
  /** When its supervisor starts it again, ISO time. */
  nextStartAt: string | null
  /** Why it crashed. */
  reason: string | null
}

export interface Service {
  readonly name: string
  readonly phase: Signal<Phase>
  readonly threads: Signal<{ ready: number; wanted: number }>
  readonly restarts: Signal<{ count: number; max: number; remaining: number }>
  readonly capacity: Signal<number>
  readonly stats: Signal<Stats>
}

/** How soon a service is read again after a change that its event does not tell whole. */
const READ_AGAIN_MS = 250
/** From so many on, all are read. */
const MANY = 8

/** By name, sorted; `undefined`: not read yet. */
export const services = signal<readonly Service[] | undefined>(undefined)
export const servicesError = signal<unknown>(undefined)
const byName = computed(() => new Map((services.value ?? []).map((service) => [service.name, service])))

export function serviceOf(name: string): Service | undefined {
  return byName.value.get(name)
}

/** Services that need somebody: the worst first. */
export const troubled = computed(() =>
  (services.value ?? []).filter(({ phase }) => ['failed', 'crashed', 'backoff'].includes(phase.value.state)),
)

/** The sum of all services, and the greatest of times. */
export const totals = computed(() => {
  const sum = { callsPerS: 0, jobsPerS: 0, failedPerS: 0, queue: 0, running: 0, heapBytes: 0, p95Ms: 0, elu: 0 }
  for (const { stats } of services.value ?? []) {
    const row = stats.value
    sum.callsPerS += row.callsPerS ?? 0
    sum.jobsPerS += row.jobsPerS ?? 0
    sum.failedPerS += row.failedPerS ?? 0
    sum.queue += row.queue
    sum.running += row.running
    sum.heapBytes += row.heapBytes
    sum.p95Ms = Math.max(sum.p95Ms, row.p95Ms ?? 0)
    sum.elu = Math.max(sum.elu, row.elu ?? 0)
  }
  return sum
})

let waiting: LiveEvent[] | undefined
const dirty = new Set<string>()
let timer: ReturnType<typeof setTimeout> | undefined

/** Reads all services. */
export async function readServices(): Promise<void> {
  const events: LiveEvent[] = []
  waiting = events
  try {
    const { items } = await get<{ items: ServiceSummary[] }>('/v1/services', { query: { view: 'summary' } })
    if (waiting !== events) return
    waiting = undefined
    batch(() => {
      services.value = items.map((item) => update(byName.peek().get(item.name) ?? create(item), item))
      servicesError.value = undefined
      for (const event of events) apply(event)
    })
  } catch (error) {
    if (waiting === events) waiting = undefined
    servicesError.value = error
  }
}

/** Once, when somebody is signed in. */
export function followServices(): () => void {
  const stop = listen(
    ['service.*', 'thread.*', 'stats'],
    (event) => {
      waiting?.push(event)
      apply(event)
    },
    () => void readServices(),
  )
  const stopForgetting = effect(() => {
    void streamsBegun.value
    forgetRates()
  })
  void readServices()
  return () => {
    stop()
    stopForgetting()
  }
}

/** A rate that has become 0 while no stream told it would stay for ever. */
function forgetRates(): void {
  batch(() => {
    for (const { stats } of services.peek() ?? []) {
      set(stats, { ...stats.peek(), callsPerS: null, jobsPerS: null, failedPerS: null, p95Ms: null, elu: null })
    }
  })
}

function apply(event: LiveEvent): void {
  switch (event.type) {
    case 'stats':
      return applyStats(event.services)
    case 'service.state': {
      const service = byName.peek().get(event.service)
      if (service === undefined) return readAgain(event.service)
      const { state, desiredState, nextStartAt, reason, restartCount, restartBudget } = event
      service.phase.value = { state, desiredState, nextStartAt, reason: reason ?? service.phase.peek().reason }
      service.restarts.value = {
        count: restartCount,
        max: restartBudget.maxRestarts,
        remaining: restartBudget.remaining,
      }
      // Also if the server closes, and cannot be asked any more.
      if (state === 'stopped' || state === 'failed') set(service.threads, { ...service.threads.peek(), ready: 0 })
      return readAgain(event.service)
    }
    case 'service.removed':
      services.value = services.peek()?.filter(({ name }) => name !== event.service)
      return
    case 'service.registered':
    case 'service.options':
    case 'service.reloaded':
    case 'thread.started':
    case 'thread.ended':
    case 'thread.crashed':
    case 'thread.unresponsive':
    case 'thread.responsive':
      return readAgain(event.service)
    default:
  }
}

function applyStats(rows: Record<string, StatsRow>): void {
  const columns = statsColumns.peek()
  const at = (name: string) => columns.indexOf(name)
  const [queue, running, calls, jobs, failed] = ['queue', 'running', 'callsPerS', 'jobsPerS', 'failedPerS'].map(at)
  const [p95, elu, heap] = ['p95Ms', 'elu', 'heapBytes'].map(at)
  const read = (row: StatsRow, index = -1) => row[index] ?? null
  batch(() => {
    for (const [name, row] of Object.entries(rows)) {
      const service = byName.peek().get(name)
      if (service === undefined) continue
      service.stats.value = {
        queue: read(row, queue) ?? 0,
        running: read(row, running) ?? 0,
        callsPerS: read(row, calls),
        jobsPerS: read(row, jobs),
        failedPerS: read(row, failed),
        p95Ms: read(row, p95),
        elu: read(row, elu),
        heapBytes: read(row, heap) ?? 0,
      }
    }
  })
}

/** Reads a service again soon, together with others that changed. */
function readAgain(name: string): void {
  dirty.add(name)
  timer ??= setTimeout(() => {
    const names = [...dirty]
    dirty.clear()
    const reading =
      names.length > MANY || names.some((one) => !byName.peek().has(one)) ? readServices() : readOnes(names)
    void reading.finally(() => {
      timer = undefined
      const [next] = dirty
      if (next !== undefined) readAgain(next)
    })
  }, READ_AGAIN_MS)
}

async function readOnes(names: string[]): Promise<void> {
  const statuses = await Promise.all(
    names.map((name) => get<ServiceStatus>(`/v1/services/${encodeURIComponent(name)}`).catch(() => undefined)),
  )
  batch(() => {
    for (const status of statuses) if (status !== undefined) takeStatus(status)
  })
}

/** The status of a service as a page has read it, or an action has answered. */
export function takeStatus(status: ServiceStatus): void {
  const service = byName.peek().get(status.name)
  if (service === undefined) return readAgain(status.name)
  const ready = status.threads.filter(
    ({ state, draining, responsive }) => state === 'running' && !draining && responsive,
  )
  update(service, {
    ...status,
    threads: { ready: ready.length, wanted: status.options.threads ?? 1 },
    heapUsedBytes: status.threads.reduce((sum, { heapUsedBytes }) => sum + heapUsedBytes, 0),
    crashReason: status.crashReason === null ? null : `${status.crashReason.name}: ${status.crashReason.message}`,
  })
}

type Facts = Omit<ServiceSummary, 'counts'>

function create({ name }: Facts): Service {
  return {
    name,
    phase: signal({ state: 'stopped', desiredState: 'stopped', nextStartAt: null, reason: null }),
    threads: signal({ ready: 0, wanted: 0 }),
    restarts: signal({ count: 0, max: 0, remaining: 0 }),
    capacity: signal(0),
    stats: signal({
      queue: 0,
      running: 0,
      callsPerS: null,
      jobsPerS: null,
      failedPerS: null,
      p95Ms: null,
      elu: null,
      heapBytes: 0,
    }),
  }
}

function update(service: Service, facts: Facts): Service {
  const { state, desiredState, crashReason, threads, queue, restartCount, restartBudget, heapUsedBytes } = facts
  const before = service.phase.peek()
  set(service.phase, {
    state,
    desiredState,
    nextStartAt: state === 'backoff' ? before.nextStartAt : null,
    reason: crashReason,
  })
  set(service.threads, threads)
  set(service.restarts, { count: restartCount, max: restartBudget.maxRestarts, remaining: restartBudget.remaining })
  service.capacity.value = queue.capacity
  set(service.stats, { ...service.stats.peek(), queue: queue.size, running: queue.running, heapBytes: heapUsedBytes })
  return service
}

/** Sets only what differs, so that equal values draw nothing. */
function set<T extends object>(target: Signal<T>, value: T): void {
  const before = target.peek()
  if (Object.entries(value).some(([key, one]) => before[key as keyof T] !== one)) target.value = value
}
