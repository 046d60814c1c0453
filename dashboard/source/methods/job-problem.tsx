/** The error of a job or of an attempt, with what caused it. */
import type { Job } from '../../../routes/schemas/job.ts'
import { Icon } from '../ui/icon.tsx'

type JobError = NonNullable<Job['error']>
type Cause = NonNullable<JobError['cause']>

/** Errors that contain each other end somewhere. */
const MAX_CAUSES = 20

export function JobProblem({ error }: { error: JobError }) {
  const { code, reason, message, retryable, cause, errors = [] } = error
  return (
    <div class="problem">
      <Icon name="alert" />
      <div>
        <p>
          <code>{reason ?? code}</code>{' '}
          {retryable !== undefined && (
            <span class="dim">{retryable ? 'a retry may help' : 'a retry does not help'}</span>
          )}
        </p>
        {message !== `${cause?.name}: ${cause?.message}` && (
          <p class="detail">
            <bdi>{message}</bdi>
          </p>
        )}
        {errors.length > 0 && (
          <ul>
            {errors.map((one) => (
              <li key={one.pointer + one.message}>
                <code>{one.pointer || '(whole payload)'}</code> {one.message}
              </li>
            ))}
          </ul>
        )}
        {causesOf(cause).map(({ depth, cause }, at) => (
          <div class="cause" key={at} style={{ marginInlineStart: `${depth * 12}px` }}>
            <p>
              <strong>{cause.name}</strong>
              {cause.code !== undefined && <code> {cause.code}</code>}: <bdi>{cause.message}</bdi>
            </p>
            {cause.stack !== undefined && (
              <details>
                <summary>Stack</summary>
                <pre>{cause.stack}</pre>
              </details>
            )}
          </div>
        ))}
      </div>
    </div>
  )
}

/** The cause, the cause of the cause, and the errors of an AggregateError. */
function causesOf(first: Cause | undefined): { depth: number; cause: Cause }[] {
  const found: { depth: number; cause: Cause }[] = []
  const add = (cause: Cause | undefined, depth: number) => {
    if (cause === undefined || found.length >= MAX_CAUSES) return
    found.push({ depth, cause })
    for (const one of cause.errors ?? []) add(one, depth + 1)
    add(cause.cause, depth + 1)
  }
  add(first, 0)
  return found
}
