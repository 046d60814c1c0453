/**
 * What a service module is written with. A module default-exports `defineService({...})`; it is recognised by a
 * registered symbol, so that a module may bring its own copy of this package.
 */
import type { z } from 'zod'
import type { JobContext } from '../contract/description.ts'
import type { MethodOptions, ServiceOptions } from '../contract/options.ts'

const SERVICE = Symbol.for('threadplane.service')

/** Writes through the server's log with the names of service and job. */
export interface ServiceLogger {
  trace: LogFunction
  debug: LogFunction
  info: LogFunction
  warn: LogFunction
  error: LogFunction
  fatal: LogFunction
}
export interface LogFunction {
  (message: string): void
  (fields: Record<string, unknown>, message?: string): void
}

/** What a hook, task or timer is given. */
export interface ServiceContext<State = unknown> {
  /** The registered name. */
  name: string
  logger: ServiceLogger
  /** Aborted when the thread stops. */
  signal: AbortSignal
  /** What `onThreadStarted` returned; `undefined` before. */
  state: State
}

/** What a handler is given beside its input. */
export interface MethodContext<State = unknown> {
  /** Aborted by deadline, cancellation or a client that hung up; `reason` says which. */
  signal: AbortSignal
  logger: ServiceLogger
  /** Publishes how far the job is: 0 to 1, with a short note if you like. */
  progress: (fraction: number, note?: string) => void
  job: JobContext
  /** Of bytes that came over HTTP, if the client has said it. */
  contentType?: string | undefined
  /** What `onThreadStarted` returned. */
  state: State
}

/** One operation of a service. Without `input` a method takes any JSON; without `output` its result is not checked. */
export interface MethodDefinition<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType>
  extends MethodOptions {
  description?: string
  input?: Input
  output?: Output
  // A method, not a property: handlers of narrower inputs must stay assignable to the general type.
  handler(
    input: z.output<Input>,
    // biome-ignore lint/suspicious/noExplicitAny: the state's type is the module's own affair
    context: MethodContext<any>,
  ): z.input<Output> | Promise<z.input<Output>>
}

// biome-ignore lint/suspicious/noExplicitAny: see MethodDefinition.handler
type Hook = (service: ServiceContext<any>) => unknown

export interface TimerDefinition {
  /** Milliseconds from the end of one run to the begin of the next. */
  everyMs: number
  run: Hook
}

export interface ServiceSpec<Methods extends Record<string, MethodDefinition> = Record<string, MethodDefinition>>
  extends ServiceOptions {
  description?: string
  methods: Methods
  /** Every hook runs in the service's thread. An error in a hook of the start fails the start. */
  onStart?: Hook
  onStarted?: Hook
  /** Its result is the handlers' `state`. */
  onThreadStarted?: Hook
  onThreadStop?: Hook
  onRestart?: Hook
  /** Run beside the methods from the start on; an error in one crashes the service. */
  tasks?: Record<string, Hook>
  timers?: Record<string, TimerDefinition>
}

/** What `defineService` returns, and a service module exports by default. */
export interface ServiceDefinition<Methods extends Record<string, MethodDefinition> = Record<string, MethodDefinition>>
  extends ServiceSpec<Methods> {
  readonly [SERVICE]: true
}

/** Declares a service. Its options are those of `PUT /v1/services/{service}`, which override them. */
export function defineService<const Methods extends Record<string, MethodDefinition>>(
  spec: ServiceSpec<Methods>,
): ServiceDefinition<Methods> {
  return Object.assign({ [SERVICE]: true as const }, spec)
}

/** Declares a method, inferring the types of its handler from its schemas. */
export function method<Input extends z.ZodType = z.ZodUnknown, Output extends z.ZodType = z.ZodUnknown>(
  definition: MethodDefinition<Input, Output>,
): MethodDefinition<Input, Output> {
  return definition
}

export function isServiceDefinition(value: unknown): value is ServiceDefinition {
  return typeof value === 'object' && value !== null && (value as { [SERVICE]?: unknown })[SERVICE] === true
}
