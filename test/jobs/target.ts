/** A service for tests of the dispatcher: its methods begin and end when the test says so. */
import { EventEmitter } from 'node:events'
import { METHOD_DEFAULTS } from '../../src/contract/options.ts'
import type { AttemptRequest, JobTarget } from '../../src/jobs/job-target.ts'
import { QueuedMethod } from '../../src/queue/queued-method.ts'

/** An attempt that has reached the service. */
export interface Run {
  id: string
  number: number
  queued: QueuedMethod
  /** It begins in a thread. */
  begin: () => void
}

export class Target extends EventEmitter implements JobTarget {
  readonly name = 'mail'
  readonly ready = true
  readonly concurrency = 4
  readonly described = true
  room = 100
  readonly runs: Run[] = []
  /** Called for each attempt that reaches the service. */
  onRun: (run: Run) => void | Promise<void> = () => {}

  methodOptions() {
    return { ...METHOD_DEFAULTS, backoffMs: 1, backoffMaxMs: 1 }
  }

  checkMethod(): void {}

  checkPayload(): void {}

  async whenDescribed(): Promise<void> {}

  readonly counter = { count() {}, attempted() {}, finished() {} }

  run(attempt: AttemptRequest): QueuedMethod {
    const bytes = attempt.payload.length
    const queued = new QueuedMethod({ ...attempt, service: this.name, kind: 'cast', format: 'json', bytes })
    let begun = false
    queued.place = { withdraw: () => begun, reclaim: () => !begun, hasBegun: () => begun }
    const { id, attempt: number } = attempt.job
    const run = {
      id,
      number,
      queued,
      begin: () => {
        begun = true
      },
    }
    this.runs.push(run)
    void this.onRun(run)
    return queued
  }
}
