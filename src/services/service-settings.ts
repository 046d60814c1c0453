/** What a registered service is made with. */
import type { DesiredState } from '../contract/states.ts'
import type { ServiceDescription } from '../contract/description.ts'
import type { ThreadplaneError } from '../contract/errors.ts'
import type { EventSink } from '../contract/events.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { Traces } from '../contract/traces.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ServiceMeter } from '../telemetry/meters.ts'
import type { RestartGroups } from '../supervision/restart-groups.ts'
import type { ServiceRegistration } from './version.ts'

export interface ServiceSettings extends ServiceRegistration {
  name: string
  desiredState: DesiredState
  log: ServiceLog
  events: EventSink
  meter: ServiceMeter
  /** `undefined`: nobody records them. */
  traces: Traces | undefined
  groups: RestartGroups
  /** Why no service may be started now: the server is closing. */
  startRefusal: () => ThreadplaneError | undefined
  /**
   * Refuses services that this one cannot depend on. Until the returned function is called, other checks count with what
   * was checked here.
   */
  planDependencies: (dependsOn: string[]) => () => void
  /** Resolves once all that the service depends on runs. `by`: the token that asked for the start. */
  startDependencies: (options: ResolvedServiceOptions, by?: string) => Promise<void>
  /** Is the service, with these options, to run on this server? */
  runsHere: (options: ResolvedServiceOptions) => boolean
  onDescribed: (moduleUrl: string, description: ServiceDescription) => void
}
