/** A service as HTTP shows it, and the bodies that register or change one. */
import { type Static, Type } from '@sinclair/typebox'
import { z } from 'zod'
import { toWireError } from '../../src/contract/errors.ts'
import {
  ISOLATIONS,
  type OptionsPatch,
  type ResolvedServiceOptions,
  type RegistrationOptions,
  registrationOptionsSchema,
} from '../../src/contract/options.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { Nullable } from './nullable.ts'

export const ServiceParams = Type.Object({ service: Type.String({ description: 'Name of the service' }) })
export const MethodParams = Type.Object({
  service: Type.String({ description: 'Name of the service' }),
  method: Type.String({ description: 'Name of the method' }),
})

const { $schema: _dialect, ...options } = z.toJSONSchema(registrationOptionsSchema, { io: 'input' })
type JsonSchema = z.core.JSONSchema.BaseSchema
const named = ($id: string, schema: object | boolean | undefined) => ({ ...(schema as JsonSchema), $id, title: $id })

/** Parts of the options, and all of them. Their schemas are made from `registrationOptionsSchema`. */
export const Limits = Type.Unsafe<object>(named('Limits', options.properties?.limits))
export const Restart = Type.Unsafe<object>(named('Restart', options.properties?.restart))
const optionsByName = { ...options.properties, limits: Type.Ref('Limits'), restart: Type.Ref('Restart') }
export const Options = Type.Unsafe<RegistrationOptions>(named('Options', { ...options, properties: optionsByName }))

const Thread = Type.Object({
  id: Type.Integer(),
  state: Type.String({ enum: ['stopped', 'starting', 'running', 'stopping', 'crashed'] }),
  draining: Type.Boolean({
    description: 'True while the thread only finishes the methods that it has begun, before it ends',
  }),
  lastWakeupAt: Nullable(Type.String({ format: 'date-time' })),
  responsive: Type.Boolean({ description: 'False if its event loop has been blocked for 3 s' }),
  eventLoopUtilization: Type.Number({ minimum: 0, maximum: 1 }),
  heapUsedBytes: Type.Integer(),
  startedAt: Nullable(Type.String({ format: 'date-time' })),
  node: Type.Optional(Type.String({ description: 'In a cluster: the name of the node that it runs on' })),
})

export const moduleHash = Nullable(Type.String({ description: 'Hash of the content of its module; null: not known' }))

const NodeOfService = Type.Object({
  id: Type.String(),
  name: Type.String(),
  self: Type.Boolean({ description: 'Is it the node that answers?' }),
  state: Type.String(),
  threads: Type.Integer({ description: 'Threads that run' }),
  moduleHash,
  differs: Type.Boolean({ description: 'True if another node has the service with other code' }),
  answered: Type.Boolean({ description: 'False: it did not answer in time. State and threads are those it told last' }),
})

export const ServiceStatus = Type.Object(
  {
    name: Type.String(),
    module: Type.String({ description: 'Relative to the workers folder' }),
    description: Type.Optional(Type.String()),
    state: Type.String({
      enum: ['stopped', 'starting', 'running', 'paused', 'stopping', 'crashed', 'backoff', 'failed'],
    }),
    desiredState: Type.String({ enum: ['running', 'stopped'] }),
    isolation: Type.String({ enum: [...ISOLATIONS], description: 'Where the threads of the service run' }),
    draining: Type.Boolean({ description: 'True while the service stops, and runs its queued calls first' }),
    options: Type.Unsafe<RegistrationOptions>({
      allOf: [Type.Ref('Options')],
      description: 'The options in effect: of the registration, else of the module, else the defaults',
    }),
    threads: Type.Array(Thread),
    stuck: Type.Integer({ description: 'Threads that do not end because they are blocked in native code' }),
    queue: Type.Object({
      size: Type.Integer({ description: 'Methods that wait in memory' }),
      running: Type.Integer({ description: 'Methods that run' }),
      capacity: Type.Integer(),
    }),
    counts: Type.Object({
      calls: Type.Integer(),
      casts: Type.Integer(),
      succeeded: Type.Integer(),
      failed: Type.Integer(),
      retried: Type.Integer(),
    }),
    restartCount: Type.Integer(),
    restartBudget: Type.Object({
      maxRestarts: Type.Integer(),
      periodMs: Type.Integer(),
      remaining: Type.Integer({ description: 'Restarts that are left in the present period' }),
    }),
    crashReason: Nullable(
      Type.Object({
        name: Type.String(),
        message: Type.String(),
        code: Type.Optional(Type.String()),
      }),
    ),
    methods: Type.Array(Type.String()),
    nodes: Type.Optional(
      Type.Array(NodeOfService, {
        description:
          'In a cluster: how it is on each node. Threads, queues and counts of this status are those of all nodes together',
      }),
    ),
  },
  { $id: 'ServiceStatus', title: 'ServiceStatus' },
)
export type ServiceStatus = Static<typeof ServiceStatus>

export const ServiceList = Type.Object(
  { items: Type.Array(Type.Ref('ServiceStatus')) },
  { $id: 'ServiceList', title: 'ServiceList' },
)

export const LifecycleResult = Type.Object(
  {
    ...ServiceStatus.properties,
    changed: Type.Boolean({ description: 'False if the service was in that state already' }),
    stoppedDependents: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'After a stop or a restart: the services that were stopped first because they depend on this one. A restart starts them again',
      }),
    ),
  },
  { $id: 'LifecycleResult', title: 'LifecycleResult' },
)
export type LifecycleResult = Static<typeof LifecycleResult>

const Method = Type.Object({
  name: Type.String(),
  description: Type.Optional(Type.String()),
  input: Nullable(Type.Unsafe<object>({ type: 'object', additionalProperties: true }), 'JSON Schema; null: any JSON'),
  output: Nullable(Type.Unsafe<object>({ type: 'object', additionalProperties: true }), 'JSON Schema; null: any JSON'),
  takes: Type.Optional(Type.Array(Type.String(), { description: 'Media types of the input; absent: JSON' })),
  returns: Type.Optional(Type.String({ description: 'Media type of the output; absent: JSON' })),
  streams: Type.Boolean({ description: 'True if the method returns a stream; then `output` is the schema of an item' }),
  timeoutMs: Type.Integer(),
  maxAttempts: Type.Integer(),
  backoffMs: Type.Integer(),
  backoffMaxMs: Type.Integer(),
  priority: Type.Integer(),
  sensitive: Type.Boolean({
    description:
      'True: payloads and results of its jobs are in no list, and only for callers that may enqueue its jobs',
  }),
})
export type MethodView = Static<typeof Method>

export const MethodList = Type.Object(
  {
    items: Type.Array(Method),
    config: Nullable(
      Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
      'JSON Schema of the `config` of the service; null: it takes none',
    ),
  },
  { $id: 'MethodList', title: 'MethodList' },
)

/** `{ module, … any option of a service }`. */
export const Registration = Type.Unsafe<RegistrationOptions & { module: string }>({
  ...options,
  $id: 'Registration',
  title: 'Registration',
  properties: {
    module: { type: 'string', minLength: 1, maxLength: 1_024, description: 'A file inside the workers folder' },
    ...optionsByName,
  },
  required: ['module'],
})

/** The schema with `null` allowed for itself and, at every level, for its members. */
function nullable(schema: z.core.JSONSchema.BaseSchema): object {
  const { type, enum: values, properties, ...rest } = schema
  const members = Object.entries(properties ?? {}).map(([name, member]) => [name, nullable(member as typeof schema)])
  return {
    ...rest,
    type: [type, 'null'],
    ...(values !== undefined && { enum: [...values, null] }),
    ...(properties !== undefined && { properties: Object.fromEntries(members) }),
  }
}

/** Any options of a service; `null` sets an option back to the value of the module. */
export const OptionsChange = Type.Unsafe<OptionsPatch>({
  ...nullable(options),
  type: 'object',
  $id: 'OptionsChange',
  title: 'OptionsChange',
})

/** 0 is the time of an event that has not happened. */
const isoTime = (ms: number) => (ms === 0 ? null : new Date(ms).toISOString())

export function serviceStatus(service: SupervisedService): ServiceStatus {
  const { options, crashReason } = service
  const { description } = service.contract
  return {
    name: service.name,
    module: service.module,
    ...(description?.description !== undefined && { description: description.description }),
    state: service.state,
    desiredState: service.desiredState,
    isolation: options.isolation,
    draining: service.draining,
    options: withoutInfinity(options),
    threads: service.threads.filter(isShown).map((thread) => ({
      id: thread.threadId,
      // A running service may replace an overdue thread: between the old thread and the new one there is no id.
      state: thread.state === 'running' && thread.threadId === 0 ? 'starting' : thread.state,
      draining: thread.draining,
      lastWakeupAt: isoTime(thread.lastWakeupAt),
      responsive: thread.responsive,
      eventLoopUtilization: thread.eventLoopUtilization,
      heapUsedBytes: thread.heapUsedBytes,
      startedAt: thread.startedAt?.toISOString() ?? null,
    })),
    stuck: service.stuck,
    queue: { size: service.waiting, running: service.running, capacity: options.queueCapacity },
    counts: { ...service.counter.counts },
    restartCount: service.restartCount,
    restartBudget: service.restartBudget,
    crashReason: crashReason === undefined ? null : shortError(crashReason),
    methods: Object.keys(description?.methods ?? {}),
  }
}

/** A stopped thread has nothing to show. A crashed one is shown, with the reason in the status of the service. */
function isShown({ state }: SupervisedService['threads'][number]): boolean {
  return state !== 'stopped'
}

/** Leaves out limits that are infinite: JSON has no infinity. */
function withoutInfinity(options: ResolvedServiceOptions): RegistrationOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== Number.POSITIVE_INFINITY))
}

function shortError(error: Error): { name: string; message: string; code?: string } {
  const { name, message, code } = toWireError(error)
  return { name, message, ...(code !== undefined && { code }) }
}

export function methodList({ contract }: SupervisedService): Static<typeof MethodList> {
  const { methods = {}, config = null } = contract.description ?? {}
  return {
    config,
    items: Object.entries(methods).map(([name, method]) => ({
      name,
      ...(method.description !== undefined && { description: method.description }),
      input: method.input ?? null,
      output: method.output ?? null,
      streams: method.streams ?? false,
      ...(method.inputBytes !== undefined && { takes: method.inputBytes.types }),
      ...(method.outputBytes !== undefined && { returns: method.outputBytes.types[0] as string }),
      ...method.options,
    })),
  }
}
