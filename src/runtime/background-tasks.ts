/**
 * Runs the `tasks` and `timers` of a service beside its methods. An error in one of them crashes the service.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceContext, ServiceDefinition } from '../module/define-service.ts'
import { inOwnScope } from './own-scope.ts'

/** How long a stop waits for tasks and timers to end after their signal has fired, in milliseconds. */
const TASK_GRACE_MS = 1_000

export class BackgroundTasks {
  readonly #running: Promise<void>[] = []

  /** @param onError called with an error of a task or timer */
  start(
    { tasks = {}, timers = {} }: ServiceDefinition,
    context: ServiceContext,
    onError: (error: unknown) => void,
  ): void {
    const run = async (body: () => unknown) => {
      try {
        await body()
      } catch (error) {
        if (!context.signal.aborted) onError(error)
      }
    }
    for (const task of Object.values(tasks)) this.#running.push(run(() => inOwnScope(task, context)))
    for (const { everyMs, run: tick } of Object.values(timers)) {
      const repeat = async () => {
        for (;;) {
          await sleep(everyMs, undefined, { signal: context.signal })
          await inOwnScope(tick, context)
        }
      }
      this.#running.push(run(repeat))
    }
  }

  /** Resolves when all tasks and timers have ended, or after the grace period. Call it after their signal has fired. */
  async ended(): Promise<void> {
    await Promise.race([Promise.all(this.#running), sleep(TASK_GRACE_MS)])
  }
}
