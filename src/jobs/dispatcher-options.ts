/** What a dispatcher may be given beside its store and its log. */
import type { EventSink } from '../contract/events.ts'
import type { Traces } from '../contract/traces.ts'
import type { AttemptLog } from './attempts.ts'
import type { OtherServers } from './other-servers.ts'

export interface DispatcherOptions {
  /** Default: nobody follows events. */
  events?: EventSink
  /** What an attempt has logged last. Default: nothing. */
  logOf?: AttemptLog
  /** Default: nobody records them. */
  traces?: Traces | undefined
  /** Servers that share the store. Default: there are none. */
  others?: OtherServers | undefined
}
