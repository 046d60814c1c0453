/** The public exports of the package. */
export type { ServiceLog } from './contract/log.ts'
export { ERRORS, type ErrorCode, type PayloadIssue, ThreadplaneError } from './contract/errors.ts'
export type { MethodOptions, RegistrationOptions, ServiceOptions } from './contract/options.ts'
export { MethodQueue, type MethodQueueOptions } from './queue/method-queue.ts'
export type { QueuedMethod } from './queue/queued-method.ts'
export { QueueServiceThread } from './threads/queue-service-thread.ts'
export type { QueueServiceThreadOptions, ServiceThreadOptions } from './threads/service-thread-options.ts'
export type { CallOptions } from './threads/thread-call.ts'
export { type LifecycleState, Service, type ServiceOptionsBase } from './supervision/service.ts'
export { ServiceThread } from './threads/service-thread.ts'
export {
  CrashingSupervisor,
  ForfeitOneForAllSupervisor,
  ForfeitOneForOneSupervisor,
  OneForAllSupervisor,
  OneForOneSupervisor,
  Supervisor,
  type SupervisorOptions,
} from './supervision/supervisor.ts'
export { ServiceWorker, type ServiceWorkerOptions } from './threads/service-worker.ts'
export { WorkerProcess } from './threads/worker-process.ts'
export { WorkerThread } from './threads/worker-thread.ts'
export type { ServiceWorkerClass } from './threads/workers.ts'
export * from './module/index.ts'
