/** The state of each service and of its queue, and what is counted of it as a whole. */
import { JOB_STATES, SERVICE_STATES } from '../contract/states.ts'
import type { SupervisedService } from '../services/supervised-service.ts'
import { labels, type MetricsText } from '../telemetry/metrics-text.ts'
import type { JobCounts } from './job-counts.ts'

export async function writeServices(
  text: MetricsText,
  services: readonly SupervisedService[],
  jobCounts: JobCounts,
): Promise<void> {
  const rows = services.map((service) => ({ service, own: labels({ service: service.name }) }))
  const each = async (write: (own: string, service: SupervisedService) => void) => {
    for (const { service, own } of rows) {
      write(own, service)
      await text.pause()
    }
  }
  const gauge = async (name: string, help: string, value: (service: SupervisedService) => number) => {
    text.family(`threadplane_${name}`, 'gauge', help)
    await each((own, service) => text.sample(own, value(service)))
  }

  text.family('threadplane_service_state', 'gauge', '1 for the state that the service has, 0 for all others')
  await each((own, { state }) => {
    for (const one of SERVICE_STATES) text.sample(`${own},state="${one}"`, one === state ? 1 : 0)
  })
  await gauge('service_desired_running', '1 if a person or an option wants the service to run', ({ desiredState }) =>
    desiredState === 'running' ? 1 : 0,
  )
  text.family('threadplane_service_restarts_total', 'counter', 'Restarts, by the supervisor or by a person')
  await each((own, { restartCount }) => text.sample(own, restartCount))
  text.family('threadplane_service_crashes_total', 'counter', 'Crashes of threads, by cause')
  await each((own, { meter }) => text.counts(own, 'cause', meter.crashes))
  await gauge(
    'service_restart_budget_remaining',
    'Restarts left in the present period',
    (s) => s.restartBudget.remaining,
  )

  await gauge('queue_size', 'Methods that wait in the queue, or in a thread behind others', ({ waiting }) => waiting)
  await gauge('queue_running', 'Methods that run now', ({ running }) => running)
  await gauge('queue_capacity', 'Methods that may wait', ({ methodQueue }) => methodQueue.capacity)
  await gauge('queue_bytes', 'Size of the payloads in the queue', ({ methodQueue }) => methodQueue.bytes)
  await gauge('queue_oldest_age_seconds', 'How long the oldest method has waited', ({ oldestWaitingAt }) =>
    oldestWaitingAt === Number.POSITIVE_INFINITY ? 0 : (performance.now() - oldestWaitingAt) / 1_000,
  )
  text.family('threadplane_queue_wait_seconds', 'histogram', 'How long methods waited before they began')
  await each((own, { meter }) => {
    text.histogram(`${own},kind="call"`, meter.waits.call)
    text.histogram(`${own},kind="cast"`, meter.waits.cast)
  })
  text.family('threadplane_job_age_seconds', 'histogram', 'How old jobs were when they ended')
  await each((own, { meter }) => text.histogram(own, meter.jobAge))

  const jobs = await jobCounts.read()
  if (jobs === undefined) return
  const { counts, oldest } = jobs
  text.family('threadplane_jobs', 'gauge', 'Jobs in the journal; counted every ten seconds at most')
  await each((own, { name }) => {
    for (const state of JOB_STATES) text.sample(`${own},state="${state}"`, counts.get(name)?.get(state) ?? 0)
  })
  const now = Date.now()
  const help = 'How long the oldest job in the journal has waited that could run; read every ten seconds at most'
  await gauge('oldest_queued_job_age_seconds', help, ({ name }) => Math.max(0, now - (oldest.get(name) ?? now)) / 1_000)
}
