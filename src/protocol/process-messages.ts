/**
 * What the control thread and the main thread of a service's process say to each other, beside the messages of the
 * service's thread, which that main thread passes on as they are: as arrays. Pure.
 */
import type { EventLoopUtilization } from 'node:perf_hooks'
import type { ThreadStack } from '../contract/stack.ts'
import type { WireError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ControlWire, ThreadWire } from './wire.ts'

/** The first message: what to run. */
export interface LaunchMessage {
  type: 'launch'
  service: string
  /** `file:` URL of the service module. */
  module: string
  limits: ResolvedServiceOptions['limits']
}
export interface TerminateMessage {
  type: 'terminate'
}
/** What is the thread doing now? */
export interface StackRequest {
  type: 'stack'
}
export type ToProcess = LaunchMessage | TerminateMessage | StackRequest | ControlWire[]

/** What a thread in the same process would see by itself. */
export interface ReportMessage {
  type: 'report'
  beats: number
  heapUsedBytes: number
  utilization: EventLoopUtilization
}
/** The thread threw before it could say so itself, or the process has taken too much memory. */
export interface ErrorMessage {
  type: 'error'
  error: WireError
}
/** The thread has ended; the process ends too. */
export interface EndedMessage {
  type: 'ended'
  exitCode: number
}
/** Answers to one request after another. */
export interface StackMessage {
  type: 'stack'
  stack: ThreadStack | undefined
}
export type FromProcess = ReportMessage | ErrorMessage | EndedMessage | StackMessage | ThreadWire[]

/** The code that Node gives a thread that ran out of memory. */
export const OUT_OF_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY'
