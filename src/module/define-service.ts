/**
 * `defineService` and `method`: the functions with which a service module is written, and the types of what it can
 * contain. A module exports `defineService({...})` by default. The result is recognised by a registered symbol and not
 * by its class, so that a module can import its own copy of this package.
 */
import type { z } from 'zod'
import type { JobContext } from '../contract/description.ts'
import type { MethodOptions, ServiceOptions } from '../contract/options.ts'
import type { Problems } from './method-problem.ts'

const SERVICE = Symbol.for('threadplane.service')

/** Writes to the server's log, with the name of the service and the id of the job. */
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

/** The argument of a hook, task or timer. */
export interface ServiceContext<State = unknown> {
  /** The registered name. */
  name: string
  logger: ServiceLogger
  /** Fires when the thread stops. */
  signal: AbortSignal
  /** The result of `onThreadStarted`; `undefined` until that hook has run. */
  state: State
}

/** The second argument of a handler. */
export interface MethodContext<State = unknown> {
  /** Fires when the deadline has passed, the job is cancelled, or the client has disconnected; `reason` says which. */
  signal: AbortSignal
  logger: ServiceLogger
  /** Publishes how far the job is, from 0 to 1, with an optional short note. */
  progress: (fraction: number, note?: string) => void
  job: JobContext
  /** The `Content-Type` of bytes that came over HTTP, if the client sent one. */
  contentType?: string | undefined
  /** The result of `onThreadStarted`. */
  state: State
}

/** One operation of a service. Without `input` a method takes any JSON; without `output` its result is not checked. */
export interface MethodDefinition<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType>
  extends MethodOptions {
  description?: string
  input?: Input
  output?: Output
  /** Problems that the handler may throw as a `MethodProblem`. The one named `notFound` has the code `NOT_FOUND`. */
  problems?: Problems
  // A method and not a property: otherwise a handler with a narrower input would not be assignable to the general type.
  handler(
    input: z.output<Input>,
    // biome-ignore lint/suspicious/noExplicitAny: the module decides the type of its state
    context: MethodContext<any>,
  ): z.input<Output> | Promise<z.input<Output>>
}

// biome-ignore lint/suspicious/noExplicitAny: see MethodDefinition.handler
type Hook = (service: ServiceContext<any>) => unknown

export interface TimerDefinition {
  /** Time from the end of one run to the begin of the next, in milliseconds. */
  everyMs: number
  run: Hook
}

export interface ServiceSpec<Methods extends Record<string, MethodDefinition> = Record<string, MethodDefinition>>
  extends ServiceOptions {
  description?: string
  methods: Methods
  /** All hooks run in the service's thread. If a hook of the start throws, the start fails. */
  onStart?: Hook
  onStarted?: Hook
  /** Its result is the `state` that handlers get. */
  onThreadStarted?: Hook
  onThreadStop?: Hook
  onRestart?: Hook
  /** Run beside the methods while the thread runs. An error in a task or timer crashes the service. */
  tasks?: Record<string, Hook>
  timers?: Record<string, TimerDefinition>
}

/** The result of `defineService`, which is the default export of a service module. */
export interface ServiceDefinition<Methods extends Record<string, MethodDefinition> = Record<string, MethodDefinition>>
  extends ServiceSpec<Methods> {
  readonly [SERVICE]: true
}

/** Declares a service. Its options can be overridden by `PUT` and `PATCH /v1/services/{service}`. */
export function defineService<const Methods extends Record<string, MethodDefinition>>(
  spec: ServiceSpec<Methods>,
): ServiceDefinition<Methods> {
  return Object.assign({ [SERVICE]: true as const }, spec)
}

/** Declares a method. The types of its handler are inferred from its schemas. */
export function method<Input extends z.ZodType = z.ZodUnknown, Output extends z.ZodType = z.ZodUnknown>(
  definition: MethodDefinition<Input, Output>,
): MethodDefinition<Input, Output> {
  return definition
}

export function isServiceDefinition(value: unknown): value is ServiceDefinition {
  return typeof value === 'object' && value !== null && (value as { [SERVICE]?: unknown })[SERVICE] === true
}
