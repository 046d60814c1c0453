/** Builds the server: Fastify with its plugins and routes, the registry and the jobs. It never listens. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { invocationRoutes } from '../routes/invocations.ts'
import { jobRoutes } from '../routes/jobs.ts'
import { lifecycleRoutes } from '../routes/lifecycle.ts'
import { probeRoutes } from '../routes/probes.ts'
import { Job, JobList } from '../routes/schemas/job.ts'
import { Problem } from './problem.ts'
import { LifecycleResult, MethodList, Registration, ServiceList, ServiceStatus } from '../routes/schemas/service.ts'
import { serviceRoutes } from '../routes/services.ts'
import { ThreadplaneError } from './errors.ts'
import { Dispatcher } from './jobs/dispatcher.ts'
import { MemoryJobStore } from './jobs/memory-job-store.ts'
import { jsonBody } from './plugins/json-body.ts'
import { loopbackGuard } from './plugins/loopback-guard.ts'
import { openapi } from './plugins/openapi.ts'
import { answerMalformedRequest, problemDetails } from './plugins/problem-details.ts'
import { Registrations } from './registrations.ts'
import { Registry } from './registry.ts'
import { WorkersFolder } from './workers-folder.ts'

export interface ServerOptions {
  /** Folder of service modules. */
  workers: string
  /** Folder of what must survive a restart. */
  data: string
  log: FastifyBaseLogger
  maxBodyBytes?: number
  /** Any name in `Host`: the operator has said that anybody may reach it. */
  insecure?: boolean
  showStacks?: boolean
}

export interface Server {
  app: FastifyInstance
  registry: Registry
  dispatcher: Dispatcher
}

const SHARED_SCHEMAS = [Problem, ServiceStatus, ServiceList, LifecycleResult, MethodList, Registration, Job, JobList]

/** Closing `app` stops every service. Services start with `registry.startAll()`. */
export async function buildServer(options: ServerOptions): Promise<Server> {
  const { log, maxBodyBytes = 10 * 1024 * 1024, insecure = false, showStacks = false } = options
  const registrations = await Registrations.open(options.data)
  const dispatcher = new Dispatcher(new MemoryJobStore(), log)
  const registry = new Registry({ workers: new WorkersFolder(options.workers), registrations, dispatcher, log })
  await registry.load()

  const app = Fastify({
    loggerInstance: log,
    disableRequestLogging: true,
    bodyLimit: maxBodyBytes,
    // Slow clients: the headers within 3 s, the whole request within 60 s. Node looks every 30 s if not told otherwise.
    // It would also refuse a request without Host by itself, with no problem document.
    http: { headersTimeout: 3_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    requestTimeout: 60_000,
    // A name of any length is one that does not exist, or cannot be registered.
    routerOptions: { maxParamLength: 16_384 },
    forceCloseConnections: 'idle',
    // The registry answers for a server that closes, with a problem document.
    return503OnClosing: false,
    clientErrorHandler: answerMalformedRequest,
    frameworkErrors: (error, request, reply) => {
      void app.errorHandler.call(app, error, request, reply)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  compileSchemas(app)
  await app.register(problemDetails, { showStacks })
  await app.register(loopbackGuard, { anyHost: insecure })
  await app.register(jsonBody)
  app.addHook('onRequest', async ({ method }) => {
    if (registry.closing && method !== 'GET' && method !== 'HEAD') {
      throw new ThreadplaneError('SHUTTING_DOWN', 'the server is shutting down', { retryAfterSeconds: 5 })
    }
  })
  await app.register(openapi, { registry })
  await app.register(probeRoutes, { registry })
  await app.register(serviceRoutes, { prefix: '/v1', registry })
  await app.register(lifecycleRoutes, { prefix: '/v1', registry })
  await app.register(invocationRoutes, { prefix: '/v1', registry, dispatcher })
  await app.register(jobRoutes, { prefix: '/v1', dispatcher })
  app.addHook('preClose', () => registry.close())
  return { app, registry, dispatcher }
}

/** A body is taken as it is: Ajv would turn 3 into [3]. Query strings are text, and have to be read as what they say. */
function compileSchemas(app: FastifyInstance): void {
  const compiler = (coerceTypes: boolean) => {
    const ajv = addFormats.default(new Ajv({ coerceTypes, useDefaults: true, removeAdditional: false, strict: false }))
    for (const schema of SHARED_SCHEMAS) ajv.addSchema(schema)
    return ajv
  }
  const asItIs = compiler(false)
  const asText = compiler(true)
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? asItIs : asText).compile(schema as object))
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema)
}
