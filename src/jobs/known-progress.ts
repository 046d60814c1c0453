/** How far the attempts of this process are. It is in memory only, and shown in a job while that attempt runs. */
import type { Job, JobProgress } from './job.ts'

export class KnownProgress {
  readonly #known = new Map<string, { attempt: number; progress: JobProgress }>()

  set(id: string, attempt: number, progress: JobProgress): void {
    this.#known.set(id, { attempt, progress })
  }

  /** Its attempt has ended. */
  forget(id: string): void {
    this.#known.delete(id)
  }

  shownIn(job: Job): Job {
    const known = this.#known.get(job.id)
    return known?.attempt === job.attempts && job.state === 'running' ? { ...job, progress: known.progress } : job
  }
}
