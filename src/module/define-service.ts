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
export interface ServiceContext<State = unknown, Config = unknown> {
  /** The registered name. */
  name: string
  logger: ServiceLogger
  /** Fires when the thread stops. */
  signal: AbortSignal
  /** The result of `onThreadStarted`; `undefined` until that hook has run. */
  state: State
  /** What the service was registered with, parsed by the schema of the module; `undefined` if it has none. */
  config: Config
}

/** The second argument of a handler. */
export interface MethodContext<State = unknown, Config = unknown> {
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
  /** What the service was registered with, parsed by the schema of the module; `undefined` if it has none. */
  config: Config
}

/** One operation of a service. Without `input` a method takes any JSON; without `output` its result is not checked. */
export interface MethodDefinition<
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
  // biome-ignore lint/suspicious/noExplicitAny: outside of its module nobody knows the state of a service
  State = any,
  // biome-ignore lint/suspicious/noExplicitAny: nor its configuration
  Config = any,
> extends MethodOptions {
  description?: string
  input?: Input
  output?: Output
  /** Problems that the handler may throw as a `MethodProblem`. The one named `notFound` has the code `NOT_FOUND`. */
  problems?: Problems
  // A method and not a property: otherwise a handler with a narrower input would not be assignable to the general type.
  handler(input: z.output<Input>, context: MethodContext<State, Config>): z.input<Output> | Promise<z.input<Output>>
}

type Methods = Record<string, MethodDefinition>

/** `method`, for handlers that know the types of `state` and `config`. */
export type DefineMethod<State, Config> = <
  Input extends z.ZodType = z.ZodUnknown,
  Output extends z.ZodType = z.ZodUnknown,
>(
  definition: MethodDefinition<Input, Output, State, Config>,
) => MethodDefinition<Input, Output>

type Hook<State, Config> = (service: ServiceContext<State, Config>) => unknown

export interface TimerDefinition<State = unknown, Config = unknown> {
  /** Time from the end of one run to the begin of the next, in milliseconds. */
  everyMs: number
  run: Hook<State, Config>
}

interface ServiceParts<State, Config> extends ServiceOptions {
  description?: string
  /** All hooks run in the service's thread. If a hook of the start throws, the start fails. */
  onStart?: Hook<undefined, Config>
  onStarted?: Hook<undefined, Config>
  /** Its result is the `state` that handlers get. */
  onThreadStarted?: (service: ServiceContext<undefined, Config>) => State | Promise<State>
  onThreadStop?: Hook<State, Config>
  onRestart?: Hook<undefined, Config>
  /** Run beside the methods while the thread runs. An error in a task or timer crashes the service. */
  tasks?: Record<string, Hook<State | undefined, Config>>
  timers?: Record<string, TimerDefinition<State | undefined, Config>>
}

export interface ServiceSpec<
  M extends Methods = Methods,
  // biome-ignore lint/suspicious/noExplicitAny: as in MethodDefinition
  State = any,
  ConfigSchema extends z.ZodType = z.ZodType,
> extends ServiceParts<State, z.output<ConfigSchema>> {
  /** The schema of the `config` that the service is registered with. Without it the service takes none. */
  config?: ConfigSchema
  /** A function gets `method` with the types of `state` and `config`. Write it below `config` and `onThreadStarted`. */
  methods: M | ((method: DefineMethod<State, z.output<ConfigSchema>>) => M)
}

/** The result of `defineService`, which is the default export of a service module. */
export interface ServiceDefinition<M extends Methods = Methods>
  // biome-ignore lint/suspicious/noExplicitAny: as in MethodDefinition
  extends ServiceParts<any, any> {
  readonly [SERVICE]: true
  config?: z.ZodType
  methods: M
}

/** Declares a service. Its options can be overridden by `PUT` and `PATCH /v1/services/{service}`. */
export function defineService<
  const M extends Methods,
  State = undefined,
  ConfigSchema extends z.ZodType = z.ZodType<undefined>,
>(spec: ServiceSpec<M, State, ConfigSchema>): ServiceDefinition<M> {
  const methods = typeof spec.methods === 'function' ? spec.methods(method) : spec.methods
  return { [SERVICE]: true, ...spec, methods }
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
