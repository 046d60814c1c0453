/**
 * Payloads and results of methods with the option `sensitive`. They are in no list. Alone they are shown to callers that
 * may enqueue jobs of the service: `maySeeSensitive` is the one place that says who may. While there are no tokens,
 * everybody may.
 */
import type { FastifyRequest } from 'fastify'
import type { Job } from '../../src/jobs/job.ts'
import type { Registry } from '../../src/registry/registry.ts'

type JobKind = Pick<Job, 'service' | 'method'>

/** May this caller see payloads and results of sensitive jobs of a service? */
function maySeeSensitive({ access }: FastifyRequest, service: string): boolean {
  return access === undefined || access.has(['enqueue'], service)
}

/** `unknown`: the module, which would say so, is not described, or the service was deleted. */
export function sensitivityOf(registry: Registry, { service, method }: JobKind): 'sensitive' | 'open' | 'unknown' {
  const known = registry.find(service)?.contract.description?.methods[method]
  return known === undefined ? 'unknown' : known.options.sensitive ? 'sensitive' : 'open'
}

/** May a payload or a result of this job be shown alone? If it is not known whether it is sensitive, it counts as such. */
export function mayShow(registry: Registry, job: JobKind, request: FastifyRequest): boolean {
  return sensitivityOf(registry, job) === 'open' || maySeeSensitive(request, job.service)
}

/** May it be shown in a list? */
export function mayList(registry: Registry, job: JobKind, request: FastifyRequest): boolean {
  return sensitivityOf(registry, job) !== 'sensitive' && mayShow(registry, job, request)
}

/** The job without a result that the caller may not see: alone, or in a list. */
export function shownJob(registry: Registry, job: Job, request: FastifyRequest, where: 'alone' | 'list'): Job {
  if (job.result === null) return job
  const isShown = where === 'list' ? mayList(registry, job, request) : mayShow(registry, job, request)
  return isShown ? job : { ...job, result: null }
}
