/** A job that is followed: read once, changed by events, and read again when it has ended. */
import type { Job } from '../../../routes/schemas/job.ts'
import { get } from '../api/request.ts'
import { useEvents } from '../live/bus.ts'
import { type Resource, useResource } from '../state/resource.ts'

export function useJob(id: string): Resource<Job> {
  const job = useResource<Job>((signal) => get<Job>(`/v1/jobs/${encodeURIComponent(id)}`, { signal }), [id])
  useEvents(
    ['job.*'],
    (event) => {
      if (!('job' in event) || event.job.id !== id) return
      if (event.type === 'job.progress') {
        const { progress } = event
        job.change((old) => ({ ...old, state: 'running', progress: progress ?? old.progress }))
      } else if (event.type !== 'job.deleted') void job.reload()
    },
    () => void job.reload(),
  )
  return job
}
