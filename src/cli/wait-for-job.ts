/** Waits until a job has finished, and prints its result. Shows on a terminal how far it is. */
import { JobFailedError } from '../client/index.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { jobView } from './output/job-view.ts'
import { ProgressBar } from './output/progress-bar.ts'
import type { Session } from './session.ts'

/** @throws JobFailedError; CliError when the person interrupts: the job goes on; PlaneError */
export async function waitForJob(session: Session, id: string): Promise<void> {
  const { io, print, timeoutMs } = session
  const job = (await session.plane()).job(id)
  const bar = new ProgressBar(io, id)
  try {
    for await (const progress of job.progress({
      signal: io.interrupted,
      ...(timeoutMs !== undefined && { timeoutMs }),
    })) {
      bar.show(progress)
    }
  } catch (error) {
    bar.end()
    if (!io.interrupted.aborted) throw error
    throw new CliError(EXIT.interrupted, `no longer waiting; it goes on: threadplane job ${id}`)
  }
  bar.end()
  const record = await job.status()
  if (record.state !== 'succeeded' || record.error !== undefined) {
    if (!print.isForPersons) await print.write(print.one({ text: JSON.stringify(record), body: record }, jobView))
    throw new JobFailedError(record)
  }
  if (print.isForPersons) await print.write(print.result(JSON.stringify(record.result ?? null)))
  else await print.write(print.one({ text: JSON.stringify(record), body: record }, jobView))
}
