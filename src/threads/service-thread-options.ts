/** The options of `ServiceThread` and `QueueServiceThread`. */
import type { ServiceDescription } from '../contract/description.ts'
import type { RegistrationOptions } from '../contract/options.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import type { ServiceOptionsBase } from '../supervision/service.ts'
import type { ThreadEvent } from './thread-reports.ts'
import type { ThreadSession } from './thread-session.ts'
import type { ServiceWorkerClass } from './workers.ts'

export interface ServiceThreadOptions extends ServiceOptionsBase {
  /** The service module: a `file:` URL or a path. */
  module: URL | string
  /** Override the options of the module. */
  options?: RegistrationOptions
  /** The module's description, if known already. The module describes itself anew at every start. */
  description?: ServiceDescription | undefined
  /** False: `start()` returns as soon as the thread is launched. Default true. */
  waitForThread?: boolean
  /** False: `stop()` does not wait for the thread's end, which stays bounded by `shutdownTimeoutMs`. Default true. */
  waitForShutdown?: boolean
  /** Another class that owns the thread. Default: the one for `isolation`. */
  Worker?: ServiceWorkerClass
  /**
   * Returns a thread in which the module has described itself, if there is one: it is started in place of a new one.
   */
  takeDescribed?: () => ThreadSession | undefined
  /** Called whenever the module has described itself. */
  onDescribed?: (description: ServiceDescription) => void
  /** Called when something happens to a thread that clients may want to know. */
  onThread?: (event: ThreadEvent) => void
}

export interface QueueServiceThreadOptions extends ServiceThreadOptions {
  /** Shared with other threads of the same service. Default: a queue of its own. */
  methodQueue?: MethodQueue
  /** True: the thread takes nothing from the queue before `takeWork()`. Default false. */
  standby?: boolean
}
