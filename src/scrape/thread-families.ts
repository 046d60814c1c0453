/** The threads of each service. A thread is named by its index in the service, as the number of ids has no bound. */
import type { SupervisedService } from '../services/supervised-service.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'

/** `draining`: it finishes what it has begun, and takes nothing more. A thread that has stopped is not there any more. */
const STATES = ['starting', 'running', 'draining', 'stopping', 'crashed'] as const

type Thread = SupervisedService['threads'][number]

export async function writeThreads(text: MetricsText, services: readonly SupervisedService[]): Promise<void> {
  text.family('threadplane_threads', 'gauge', 'Threads, by state')
  for (const { name: service, threads } of services) {
    const states = threads.map((thread) => (thread.draining ? 'draining' : thread.state))
    for (const state of STATES) text.sample(labels({ service, state }), states.filter((one) => one === state).length)
    await text.pause()
  }
  text.family('threadplane_threads_stuck', 'gauge', 'Threads that were ended and go on, as they are in native code')
  for (const { name: service, stuck } of services) text.sample(labels({ service }), stuck)

  const gauge = async (name: string, help: string, value: (thread: Thread) => number) => {
    text.family(`threadplane_thread_${name}`, 'gauge', help)
    for (const { name: service, threads } of services) {
      const alive = threads.filter(({ lastWakeupAt }) => lastWakeupAt > 0)
      for (const [thread, each] of alive.entries()) text.sample(labels({ service, thread }), value(each))
      await text.pause()
    }
  }
  await gauge(
    'event_loop_utilization_ratio',
    'Share of the last seconds in which the event loop was busy',
    (thread) => thread.eventLoopUtilization,
  )
  await gauge('heap_used_bytes', 'Size of the objects in the heap', ({ heapUsedBytes }) => heapUsedBytes)
  await gauge(
    'heartbeat_age_seconds',
    'Since when the event loop was not seen to turn; up to 2 in good order',
    (thread) => Math.max(performance.timeOrigin + performance.now() - thread.lastWakeupAt, 0) / 1_000,
  )
}
