/** The package's public exports, and nothing else. */
export { ERRORS, type ErrorCode, type PayloadIssue, ThreadplaneError } from './errors.ts'
export type { MethodOptions, ServiceOptions } from './options.ts'
export { MethodQueue, type MethodQueueOptions } from './service/method-queue.ts'
export type { QueuedMethod } from './service/queued-method.ts'
export {
  type CallOptions,
  QueueServiceThread,
  type QueueServiceThreadOptions,
} from './service/queue-service-thread.ts'
export { type LifecycleState, Service, type ServiceLog, type ServiceOptionsBase } from './service/service.ts'
export { ServiceThread, type ServiceThreadOptions } from './service/service-thread.ts'
export {
  CrashingSupervisor,
  ForfeitOneForAllSupervisor,
  ForfeitOneForOneSupervisor,
  OneForAllSupervisor,
  OneForOneSupervisor,
  Supervisor,
  type SupervisorOptions,
} from './service/supervisor.ts'
export { ServiceWorker, type ServiceWorkerOptions } from './service/service-worker.ts'
export { WorkerProcess } from './service/worker-process.ts'
export { WorkerThread } from './service/worker-thread.ts'
export { type BytesOptions, bytes } from './thread/bytes.ts'
export { stream } from './thread/stream.ts'
export {
  defineService,
  type MethodContext,
  type MethodDefinition,
  method,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceLogger,
  type ServiceSpec,
} from './thread/define-service.ts'
