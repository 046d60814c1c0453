/** The `tasks` and `timers` of a service: they run beside its methods, and an error in one crashes the service. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceContext, ServiceDefinition } from '../module/define-service.ts'

/** How long tasks may take to end once their signal has fired, in milliseconds. */
const TASK_GRACE_MS = 1_000

export class Background {
  readonly #running: Promise<void>[] = []

  /** @param crash is told of the first error of a task or timer */
  start(
    { tasks = {}, timers = {} }: ServiceDefinition,
    context: ServiceContext,
    crash: (error: unknown) => void,
  ): void {
    const run = async (body: () => unknown) => {
      try {
        await body()
      } catch (error) {
        if (!context.signal.aborted) crash(error)
      }
    }
    for (const task of Object.values(tasks)) this.#running.push(run(() => task(context)))
    for (const { everyMs, run: tick } of Object.values(timers)) {
      const repeat = async () => {
        for (;;) {
          await sleep(everyMs, undefined, { signal: context.signal })
          await tick(context)
        }
      }
      this.#running.push(run(repeat))
    }
  }

  /** Waits for what has been told to end by its signal, but not for long: mode would cancel it here. */
  async settled(): Promise<void> {
    await Promise.race([Promise.all(this.#running), sleep(TASK_GRACE_MS)])
  }
}
