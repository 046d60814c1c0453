/** The public exports of `threadplane/client`. */
export { createClient, type Plane } from './plane.ts'
export type { ClientOptions, Fetch, RequestOptions } from './transport.ts'
export { type ClientCode, JobFailedError, PlaneError } from './plane-error.ts'
export type { AsJson, CallOptions, CastOptions, ItemStream, ServiceHandle } from './method-types.ts'
export type { Job, JobProgress, JobRequestOptions } from './job.ts'
export type { EventFilter, LogEnd, LogFilter, LogGap, LogLine, PlaneEvent } from './events.ts'
