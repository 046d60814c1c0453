/** Which class owns the thread of a service, by the option `isolation`. */
import type { Isolation } from '../contract/options.ts'
import type { ServiceWorker, ServiceWorkerOptions } from './service-worker.ts'
import { WorkerProcess } from './worker-process.ts'
import { WorkerThread } from './worker-thread.ts'

/** `WorkerThread`, `WorkerProcess`, or another subclass of `ServiceWorker`. */
export type ServiceWorkerClass = new (options: ServiceWorkerOptions) => ServiceWorker

export const WORKERS = { thread: WorkerThread, process: WorkerProcess } as const satisfies Record<
  Isolation,
  ServiceWorkerClass
>
