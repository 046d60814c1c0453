/**
 * The messages between the server and the main thread of a service's process, grouped by sender. Pure.
 *
 * | sender  | message     | says                                                                               |
 * | ------- | ----------- | ---------------------------------------------------------------------------------- |
 * | server  | `launch`    | start the service's thread, for this module                                        |
 * |         | `terminate` | terminate the service's thread                                                     |
 * |         | `stack`     | answer with the stack of the service's thread                                      |
 * |         | `profile`   | record a profile of the service's thread in a file                                 |
 * |         | `endProfile` | end a recording early                                                             |
 * |         | an array    | messages for the service's thread (`messages.ts`): passed on unread                |
 * | process | `report`    | heartbeat and load of the service's thread                                         |
 * |         | `error`     | the service's thread, or the process, ends because of this error                   |
 * |         | `ended`     | the service's thread has ended, and the process ends too                           |
 * |         | `stack`     | the stack that was asked for                                                       |
 * |         | `profiled`  | how a recording has ended                                                          |
 * |         | an array    | messages of the service's thread: passed on unread                                 |
 */
import type { EventLoopUtilization } from 'node:perf_hooks'
import type { ProfileOutcome, ProfileRequest } from '../contract/profile.ts'
import type { ThreadStack } from '../contract/stack.ts'
import type { WireError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlWire, ThreadWire } from './wire.ts'

/** The first message. */
export interface LaunchMessage {
  type: 'launch'
  service: string
  /** `file:` URL of the service module. */
  module: string
  limits: ResolvedServiceOptions['limits']
  /** Names of the environment variables that the service sees; `undefined`: all. */
  env: ResolvedServiceOptions['env']
  /** Ids of the processes that the service may not send signals to. */
  guarded: number[]
}
export interface TerminateMessage {
  type: 'terminate'
}
/** Asks for the stack of the service's thread. */
export interface StackRequest {
  type: 'stack'
}
/** Asks for a profile of the service's thread; the process chooses nothing, not even the file. */
export interface ProfileMessage {
  type: 'profile'
  id: number
  request: ProfileRequest
}
export interface EndProfileMessage {
  type: 'endProfile'
  id: number
}
export type ToProcess =
  | LaunchMessage
  | TerminateMessage
  | StackRequest
  | ProfileMessage
  | EndProfileMessage
  | ControlWire[]

/** What the control thread reads from shared memory when the service's thread is in its own process. */
export interface ReportMessage {
  type: 'report'
  beats: number
  heapUsedBytes: number
  utilization: EventLoopUtilization
}
/** The thread threw an error that it could not report itself, or the process has taken too much memory. */
export interface ErrorMessage {
  type: 'error'
  error: WireError
}
export interface EndedMessage {
  type: 'ended'
  exitCode: number
}
/** Answers the oldest {@link StackRequest} that has no answer yet. */
export interface StackMessage {
  type: 'stack'
  stack: ThreadStack | undefined
}
/** Answers the {@link ProfileMessage} with the same id. */
export interface ProfiledMessage {
  type: 'profiled'
  id: number
  outcome: ProfileOutcome
}
export type FromProcess = ReportMessage | ErrorMessage | EndedMessage | StackMessage | ProfiledMessage | ThreadWire[]

/** Node's error code for a thread that ran out of memory. */
export const OUT_OF_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY'
