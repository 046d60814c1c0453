/** What the operations of a service's life (starting, stopping) work with. */
import type { DesiredState } from '../contract/states.ts'
import type { ErrorCode, ErrorFacts, ThreadplaneError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { MethodQueue } from '../queue/method-queue.ts'
import type { ModuleContract } from './module-contract.ts'
import type { PhaseMachine } from './phase-machine.ts'
import type { ServiceSettings } from './service-settings.ts'
import type { ThreadSet } from './thread-set.ts'

export interface ServiceParts {
  readonly name: string
  readonly settings: ServiceSettings
  readonly phases: PhaseMachine
  readonly threadSet: ThreadSet
  readonly methodQueue: MethodQueue
  /** What the module of the present version says of itself. */
  readonly contract: ModuleContract
  readonly options: ResolvedServiceOptions
  /** Is it to run on this server? */
  readonly isPlacedHere: boolean
  /** Aborted by the next stop: what is being started or replaced ends then. */
  readonly stopSignal: AbortSignal
  desiredState: DesiredState
  /** The phase follows the states of the threads. */
  followThreads(): void
  /** An error that names the service. */
  error(code: ErrorCode, detail: string, facts?: ErrorFacts): ThreadplaneError
}
