/** What HTTP shows of a service. */
import { type Static, Type } from '@sinclair/typebox'
import { z } from 'zod'
import { toWireError } from '../../src/contract/errors.ts'
import {
  ISOLATIONS,
  type OptionsPatch,
  type ResolvedServiceOptions,
  serviceOptionsSchema,
  type ServiceOptions,
} from '../../src/contract/options.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'
import { Nullable } from './nullable.ts'

export const ServiceParams = Type.Object({ service: Type.String({ description: 'Name of the service' }) })
export const MethodParams = Type.Object({
  service: Type.String({ description: 'Name of the service' }),
  method: Type.String({ description: 'Name of the method' }),
})

const { $schema: _dialect, ...options } = z.toJSONSchema(serviceOptionsSchema, { io: 'input' })

const Thread = Type.Object({
  id: Type.Integer(),
  state: Type.String({ enum: ['stopped', 'starting', 'running', 'stopping', 'crashed'] }),
  draining: Type.Boolean({ description: 'True while it only finishes what it has begun, before it goes' }),
  lastWakeupAt: Nullable(Type.String({ format: 'date-time' })),
  responsive: Type.Boolean({ description: 'False when its event loop has not turned for 3 s' }),
  eventLoopUtilization: Type.Number({ minimum: 0, maximum: 1 }),
  heapUsedBytes: Type.Integer(),
  startedAt: Nullable(Type.String({ format: 'date-time' })),
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
    isolation: Type.String({ enum: [...ISOLATIONS], description: 'Where its threads run' }),
    draining: Type.Boolean({ description: 'True while it stops, and runs what is queued before that' }),
    options: Type.Unsafe<ServiceOptions>({
      ...options,
      description: 'Those in force: of the registration, over those of the module, over the defaults',
    }),
    threads: Type.Array(Thread),
    stuck: Type.Integer({ description: 'Threads that were told to end and have not: they are in native code' }),
    queue: Type.Object({
      size: Type.Integer({ description: 'Methods that wait' }),
      running: Type.Integer({ description: 'Methods that have begun' }),
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
      remaining: Type.Integer({ description: 'Restarts left in the present period' }),
    }),
    crashReason: Nullable(
      Type.Object({
        name: Type.String(),
        message: Type.String(),
        code: Type.Optional(Type.String()),
      }),
    ),
    methods: Type.Array(Type.String()),
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
    changed: Type.Boolean({ description: 'False where the service was in that state already' }),
    stoppedDependents: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Of a stop: services that were stopped first, as they depend on it. A restart starts them again',
      }),
    ),
  },
  { $id: 'LifecycleResult', title: 'LifecycleResult' },
)

const MethodView = Type.Object({
  name: Type.String(),
  description: Type.Optional(Type.String()),
  input: Nullable(Type.Unsafe<object>({ type: 'object', additionalProperties: true }), 'JSON Schema; null: any JSON'),
  output: Nullable(Type.Unsafe<object>({ type: 'object', additionalProperties: true }), 'JSON Schema; null: any JSON'),
  takes: Type.Optional(Type.Array(Type.String(), { description: 'Media types of its input; absent: JSON' })),
  returns: Type.Optional(Type.String({ description: 'Media type of its output; absent: JSON' })),
  streams: Type.Boolean({ description: 'It returns a stream, and its output is that of an item' }),
  timeoutMs: Type.Integer(),
  maxAttempts: Type.Integer(),
  backoffMs: Type.Integer(),
  backoffMaxMs: Type.Integer(),
  priority: Type.Integer(),
})
export const MethodList = Type.Object({ items: Type.Array(MethodView) }, { $id: 'MethodList', title: 'MethodList' })

/** `{ module, … any option of a service }`; the options' JSON Schema is that of their zod table. */
export const Registration = Type.Unsafe<ServiceOptions & { module: string }>({
  ...options,
  $id: 'Registration',
  title: 'Registration',
  properties: {
    module: { type: 'string', minLength: 1, maxLength: 1_024, description: 'A file inside the workers folder' },
    ...options.properties,
  },
  required: ['module'],
})

/** A JSON Schema that takes `null` too, and so do its members. */
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

/** Any options of a service; `null` gives one back to the module. */
export const OptionsChange = Type.Unsafe<OptionsPatch>({
  ...nullable(options),
  type: 'object',
  $id: 'OptionsChange',
  title: 'OptionsChange',
})

const iso = (ms: number) => (ms === 0 ? null : new Date(ms).toISOString())

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
    options: inForce(options),
    threads: service.threads.filter(exists).map((thread) => ({
      id: thread.threadId,
      // Between two, while a thread that goes on for too long is replaced.
      state: thread.state === 'running' && thread.threadId === 0 ? 'starting' : thread.state,
      draining: thread.draining,
      lastWakeupAt: iso(thread.lastWakeupAt),
      responsive: thread.responsive,
      eventLoopUtilization: thread.eventLoopUtilization,
      heapUsedBytes: thread.heapUsedBytes,
      startedAt: thread.startedAt?.toISOString() ?? null,
    })),
    stuck: service.stuck,
    queue: { size: service.waiting, running: service.running, capacity: options.queueCapacity },
    counts: { ...service.counts },
    restartCount: service.restartCount,
    restartBudget: service.restartBudget,
    crashReason: crashReason === undefined ? null : shortError(crashReason),
    methods: Object.keys(description?.methods ?? {}),
  }
}

/** Of one that has stopped nothing is left; one that has crashed tells what of. */
function exists({ state }: SupervisedService['threads'][number]): boolean {
  return state !== 'stopped'
}

/** JSON has no infinity: a limit there is not, is not shown. */
function inForce(options: ResolvedServiceOptions): ServiceOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== Number.POSITIVE_INFINITY))
}

function shortError(error: Error): { name: string; message: string; code?: string } {
  const { name, message, code } = toWireError(error)
  return { name, message, ...(code !== undefined && { code }) }
}

export function methodList(service: SupervisedService): Static<typeof MethodList> {
  return {
    items: Object.entries(service.contract.description?.methods ?? {}).map(([name, method]) => ({
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
