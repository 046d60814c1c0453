/** What is counted of each method of each service. */
import type { SupervisedService } from '../services/supervised-service.ts'
import { MethodMeter } from '../telemetry/meters.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'

/** The name of the methods that are shown together. */
const OTHER = '_other'

interface Pair {
  labels: string
  meter: MethodMeter
}

export async function writeMethods(text: MetricsText, services: readonly SupervisedService[]): Promise<void> {
  const pairs: Pair[] = []
  let folded = 0
  for (const service of services) {
    pairs.push(...pairsOf(service))
    folded += service.meter.folded.size
    await text.pause()
  }

  text.family('threadplane_metrics_folded', 'gauge', `Pairs of service and method that are shown as method="${OTHER}"`)
  text.sample('', folded)

  const each = async (write: (pair: Pair) => void) => {
    for (const pair of pairs) {
      write(pair)
      await text.pause()
    }
  }
  text.family('threadplane_calls_total', 'counter', 'Calls that have ended, by outcome')
  await each(({ labels, meter }) => text.counts(labels, 'outcome', meter.calls))
  text.family('threadplane_jobs_accepted_total', 'counter', 'Jobs that were accepted')
  await each(({ labels, meter }) => text.sample(labels, meter.accepted.get('accepted')))
  text.family('threadplane_job_attempts_total', 'counter', 'Attempts of jobs that have ended, by outcome')
  await each(({ labels, meter }) => text.counts(labels, 'outcome', meter.attempts, 'rejected'))
  text.family('threadplane_jobs_finished_total', 'counter', 'Jobs that have ended, by their last state')
  await each(({ labels, meter }) => text.counts(labels, 'state', meter.finished))
  text.family('threadplane_method_run_seconds', 'histogram', 'How long methods ran in their thread')
  await each(({ labels, meter }) => text.histogram(labels, meter.run))

  // Methods of another version of the module were shown once more.
  for (const { meter, contract } of services) {
    const { description } = contract
    if (description !== undefined) meter.keep((name) => Object.hasOwn(description.methods, name))
  }
}

/** Methods that were never called are shown too: the first call is then seen as an increase. */
function pairsOf({ name: service, meter, contract }: SupervisedService): Pair[] {
  for (const method of Object.keys(contract.description?.methods ?? {})) meter.method(method)
  const pairs = [...meter.named].map(([method, each]) => ({ labels: labels({ service, method }), meter: each }))
  if (meter.folded.size === 0) return pairs
  const sum = new MethodMeter()
  for (const each of meter.folded.values()) sum.add(each)
  return [...pairs, { labels: labels({ service, method: OTHER }), meter: sum }]
}
