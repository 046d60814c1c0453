/** A service as all nodes together show it, made from what each of them shows. Pure. */
import type { ServiceState } from '../../src/contract/states.ts'
import type { ServiceStatus } from '../schemas/service.ts'
import type { ServiceSummary } from '../schemas/service-summary.ts'

/** The state of a service is the first of these that it has on a node: on a node that is not to run it, it is stopped. */
const STATES: readonly ServiceState[] = [
  'running',
  'paused',
  'starting',
  'backoff',
  'stopping',
  'crashed',
  'failed',
  'stopped',
]

/** What one node shows. */
export interface Part<View> {
  node: { id: string; name: string; self: boolean }
  /** `undefined`: it did not answer. */
  view: View | undefined
  /** As it told last. */
  told: { state: ServiceState; threads: number }
  moduleHash: string | undefined
}

export function mergedStatus(own: ServiceStatus, parts: Part<ServiceStatus>[]): ServiceStatus {
  const views = parts.flatMap(({ view }) => view ?? [])
  const { state, view } = leading(own, parts)
  const differs = new Set(parts.flatMap(({ moduleHash }) => moduleHash ?? [])).size > 1
  const threads = parts.flatMap(({ node, view }) => (view?.threads ?? []).map((one) => ({ ...one, node: node.name })))
  const reason = view.crashReason ?? views.find(({ crashReason }) => crashReason !== null)?.crashReason ?? null
  return {
    ...view,
    state,
    desiredState: own.desiredState,
    draining: views.some(({ draining }) => draining),
    threads,
    stuck: sum(views, ({ stuck }) => stuck),
    queue: mergedQueue(own, views),
    counts: mergedCounts(views),
    restartCount: sum(views, ({ restartCount }) => restartCount),
    crashReason: reason,
    nodes: parts.map(({ node, view: shown, told, moduleHash = null }) => ({
      ...node,
      state: shown?.state ?? told.state,
      threads: shown?.threads.filter((thread) => thread.state === 'running').length ?? told.threads,
      moduleHash,
      differs,
      answered: shown !== undefined,
    })),
  }
}

export function mergedSummary(own: ServiceSummary, parts: Part<ServiceSummary>[]): ServiceSummary {
  const views = parts.flatMap(({ view }) => view ?? [])
  const { state, view } = leading(own, parts)
  // A node that is not to run it wants no threads.
  const running = views.filter((one) => one.state !== 'stopped')
  return {
    ...view,
    state,
    desiredState: own.desiredState,
    threads: {
      ready: sum(views, ({ threads }) => threads.ready),
      wanted: running.length === 0 ? own.threads.wanted : sum(running, ({ threads }) => threads.wanted),
    },
    queue: mergedQueue(own, views),
    counts: mergedCounts(views),
    restartCount: sum(views, ({ restartCount }) => restartCount),
    heapUsedBytes: sum(views, ({ heapUsedBytes }) => heapUsedBytes),
    crashReason: view.crashReason ?? views.find(({ crashReason }) => crashReason !== null)?.crashReason ?? null,
  }
}

/** The state of all together, and what a node shows that is in it. */
function leading<View extends { state: string }>(own: View, parts: Part<View>[]): { state: ServiceState; view: View } {
  const states = new Set(parts.map(({ view, told }) => view?.state ?? told.state))
  const state = STATES.find((one) => states.has(one)) ?? 'stopped'
  if (own.state === state) return { state, view: own }
  return { state, view: parts.find(({ view }) => view?.state === state)?.view ?? own }
}

function sum<Item>(items: Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

type Queued = Pick<ServiceStatus, 'queue'> & { state: string }

function mergedQueue(own: Queued, views: Queued[]): ServiceStatus['queue'] {
  // A node that is not to run it has no room for calls.
  const running = views.filter(({ state }) => state !== 'stopped')
  return {
    size: sum(views, ({ queue }) => queue.size),
    running: sum(views, ({ queue }) => queue.running),
    capacity: running.length === 0 ? own.queue.capacity : sum(running, ({ queue }) => queue.capacity),
  }
}

function mergedCounts(views: Pick<ServiceStatus, 'counts'>[]): ServiceStatus['counts'] {
  return {
    calls: sum(views, ({ counts }) => counts.calls),
    casts: sum(views, ({ counts }) => counts.casts),
    succeeded: sum(views, ({ counts }) => counts.succeeded),
    failed: sum(views, ({ counts }) => counts.failed),
    retried: sum(views, ({ counts }) => counts.retried),
  }
}
