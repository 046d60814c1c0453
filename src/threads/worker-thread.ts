/** A service's thread in this process: owns one `Worker` of `node:worker_threads`. */
import type { EventLoopUtilization } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import type { ThreadStack } from '../contract/stack.ts'
import type { ControlMessage, ThreadData } from '../protocol/messages.ts'
import { Heartbeat } from '../protocol/heartbeat.ts'
import { SlotTable } from '../protocol/slot-table.ts'
import type { Slots } from '../protocol/slots.ts'
import { packControl, transfersOf } from '../protocol/wire.ts'
import { recordProfile } from '../diagnostics/profiler.ts'
import { stackReader } from '../diagnostics/stack-reader.ts'
import { environmentOf } from '../system/environment.ts'
import { ownProcesses } from '../system/own-processes.ts'
import { createWithLowPriority } from '../system/thread-priority.ts'
import { ServiceWorker } from './service-worker.ts'

export class WorkerThread extends ServiceWorker {
  readonly pulse = new Heartbeat()
  #worker: Worker | undefined

  protected override launch(): void {
    const { service, module, limits, env, onError } = this.options
    const data: ThreadData = { service, module, heartbeat: this.pulse.buffer, guarded: [...ownProcesses] }
    const options = {
      workerData: data,
      name: service,
      resourceLimits: limits,
      env: environmentOf(env),
      stdout: true,
      stderr: true,
    }
    const worker = createWithLowPriority(
      () => new Worker(new URL('../runtime/thread-entry.js', import.meta.url), options),
    )
    this.#worker = worker
    // JavaScript's output arrives as log messages. The streams have native output only, which would pile up unread.
    worker.stdout.resume()
    worker.stderr.resume()
    worker.on('message', (wires: unknown) => this.receive(wires))
    worker.on('error', onError)
    worker.on('messageerror', onError)
    worker.on('exit', (exitCode) => {
      this.#worker = undefined
      this.ended(exitCode)
    })
  }

  get threadId(): number {
    return this.#worker?.threadId ?? -1
  }

  override slots(length: number): Slots {
    return new SlotTable(length)
  }

  override post(messages: ControlMessage[]): void {
    this.#worker?.postMessage(messages.map(packControl), transfersOf(messages))
  }

  protected override kill(): void {
    void this.#worker?.terminate()
  }

  protected override utilization(): EventLoopUtilization {
    return this.#worker?.performance.eventLoopUtilization() ?? { idle: 0, active: 0, utilization: 0 }
  }

  override async stack(): Promise<ThreadStack | undefined> {
    return this.#worker && stackReader.read(this.#worker.threadId)
  }

  override async profile(request: ProfileRequest, signal: AbortSignal): Promise<ProfileOutcome> {
    return this.#worker === undefined ? { kind: 'gone' } : recordProfile(this.#worker.threadId, request, signal)
  }
}
