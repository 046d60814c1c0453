/** How the figures of a server grow with its services, jobs, payloads, connections and threads: a curve for each. */
import { byConnections } from '../growth/connections.ts'
import { byJobs } from '../growth/jobs.ts'
import { byPayload } from '../growth/payload.ts'
import { byServices } from '../growth/services.ts'
import { byThreads } from '../growth/threads.ts'
import { describeLoad } from '../harness/load.ts'
import { Report } from '../harness/report.ts'
import { type Settings, wanted } from '../harness/settings.ts'

const CURVES = [
  { name: 'services', measure: byServices },
  { name: 'jobs', measure: byJobs },
  { name: 'payload', measure: byPayload },
  { name: 'connections', measure: byConnections },
  { name: 'threads', measure: byThreads },
]

export async function growth(settings: Settings): Promise<void> {
  const since = performance.now()
  const curves = wanted(settings, [], CURVES)
  const report = new Report('growth', settings, [], { load: describeLoad() })
  for (const { measure } of curves) await measure(report, settings)
  report.write()
  console.log(`${Math.round((performance.now() - since) / 1_000)} s`)
}
