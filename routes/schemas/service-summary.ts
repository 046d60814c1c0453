/** A service in about 300 bytes: what a list of hundreds of services shows of each. */
import { type Static, Type } from '@sinclair/typebox'
import { textOfError } from '../../src/contract/errors.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { Nullable } from './nullable.ts'
import { ServiceStatus } from './service.ts'

/** Longest reason of a crash in a summary. The status of the service has all of it. */
const MAX_REASON_CHARS = 200

const { name, state, desiredState, counts, restartCount } = ServiceStatus.properties
const { size, running, capacity } = ServiceStatus.properties.queue.properties
const { maxRestarts, remaining } = ServiceStatus.properties.restartBudget.properties

const ServiceSummary = Type.Object(
  {
    name,
    state,
    desiredState,
    threads: Type.Object({
      ready: Type.Integer({ description: 'Threads that have started and respond' }),
      wanted: Type.Integer({ description: 'The option `threads`' }),
    }),
    queue: Type.Object({ size, running, capacity }),
    counts,
    restartCount,
    restartBudget: Type.Object({ maxRestarts, remaining }),
    heapUsedBytes: Type.Integer({ description: 'Of all its threads' }),
    crashReason: Nullable(Type.String({ description: 'The first line, at most 200 characters' })),
  },
  { title: 'ServiceSummary' },
)
export type ServiceSummary = Static<typeof ServiceSummary>

export const ServiceSummaryList = Type.Object(
  { items: Type.Array(ServiceSummary) },
  { $id: 'ServiceSummaryList', title: 'ServiceSummaryList' },
)

export function serviceSummary(service: SupervisedService): ServiceSummary {
  const { threads, options, restartBudget, crashReason } = service
  const ready = threads.filter(({ state, draining, responsive }) => state === 'running' && !draining && responsive)
  return {
    name: service.name,
    state: service.state,
    desiredState: service.desiredState,
    threads: { ready: ready.length, wanted: options.threads },
    queue: { size: service.waiting, running: service.running, capacity: options.queueCapacity },
    counts: { ...service.counter.counts },
    restartCount: service.restartCount,
    restartBudget: { maxRestarts: restartBudget.maxRestarts, remaining: restartBudget.remaining },
    heapUsedBytes: threads.reduce((sum, { heapUsedBytes }) => sum + heapUsedBytes, 0),
    crashReason: crashReason === undefined ? null : firstLine(textOfError(crashReason)),
  }
}

function firstLine(text: string): string {
  return text.slice(0, MAX_REASON_CHARS).split('\n', 1)[0] as string
}
