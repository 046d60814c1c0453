/**
 * The default metrics of prom-client, `process_*` and `nodejs_*`: of the process, and of the event loop of its control
 * thread. They are collected once a process, however many servers it has.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { labels, type MetricsText, type MetricType } from './metrics-text.ts'

let registry: Registry | undefined

/** Begins to observe the event loop and the garbage collector. */
export function observeProcess(): void {
  if (registry !== undefined) return
  registry = new Registry()
  collectDefaultMetrics({ register: registry })
}

export async function writeProcessMetrics(text: MetricsText): Promise<void> {
  for (const { name, help, type, values } of (await registry?.getMetricsAsJSON()) ?? []) {
    text.family(name, type as unknown as MetricType, help)
    for (const value of values) {
      const { metricName = name } = value as { metricName?: string }
      text.sample(labels(value.labels as Record<string, string>), value.value, metricName.slice(name.length))
    }
    await text.pause()
  }
}
