/** The stop of a registered service: methods that wait are run or rejected, then its threads stop. */
import { once } from 'node:events'
import { resolvesWithin } from '../async/deadline.ts'
import type { QueuedMethod } from '../queue/queued-method.ts'
import type { QueueServiceThread } from '../threads/queue-service-thread.ts'
import { liveOf, type Phase, type Stopping } from './phase.ts'
import type { ServiceParts } from './service-parts.ts'

/**
 * The whole is bounded by `shutdownTimeoutMs`, after which its threads are terminated.
 * @param from the phase that the stop ended
 */
export async function runStop(service: ServiceParts, stopping: Stopping, from: Phase, drain: boolean): Promise<void> {
  const { threadSet, methodQueue, contract, phases } = service
  const until = performance.now() + service.options.shutdownTimeoutMs
  const leftMs = () => Math.max(until - performance.now(), 1)
  try {
    if (from.kind === 'replacing' && from.replacement.committed)
      await resolvesWithin(from.replacement.operation, leftMs())
    const { current } = threadSet
    threadSet.unsupervise()
    void threadSet.dismiss(leftMs())
    for (const thread of current) thread.recall(['cast'])
    methodQueue.rejectAll(wasStopped, ['cast'])
    void contract.stopDescribing()
    const serves = current.some((thread) => thread.state === 'running') && !methodQueue.paused
    stopping.draining = drain && serves
    // A thread that crashes now is not restarted: without any thread, the drain has ended.
    if (stopping.draining) await resolvesWithin(Promise.race([drained(service), noneRuns(current)]), leftMs())
    stopping.draining = false
    methodQueue.close(wasStopped)
    await threadSet.stop(leftMs())
    // The start that this stop ended has an error of its own.
    const live = liveOf(from)
    if (live?.kind === 'starting') await live.operation.catch(() => {})
  } finally {
    methodQueue.paused = false
    phases.enter({ kind: stopping.next })
  }
}

async function drained({ methodQueue, threadSet }: ServiceParts): Promise<void> {
  await methodQueue.drained()
  await threadSet.idle()
}

async function noneRuns(threads: readonly QueueServiceThread[]): Promise<void> {
  await Promise.all(
    threads.map(async (thread) => {
      while (thread.state === 'running') await once(thread, 'state')
    }),
  )
}

export function wasStopped(method: QueuedMethod) {
  return method.error('SERVICE_NOT_RUNNING', `${method.service} was stopped`)
}
