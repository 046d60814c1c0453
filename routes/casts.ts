/** Cast: 202, and a job to look at. With `application/x-ndjson`, one a line, all in one transaction. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { errorCodes, type FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../src/contract/errors.ts'
import type { CastRequest, Dispatcher } from '../src/jobs/dispatcher.ts'
import type { Accepted } from '../src/jobs/job-store.ts'
import { METHOD_DEFAULTS } from '../src/contract/options.ts'
import { parseJson, textOf } from '../src/payload/parse-json.ts'
import { settle } from '../src/http/json-body.ts'
import { problems } from '../src/http/problem.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { requestTimeoutMs, traceparent } from './shared/headers.ts'
import { acceptedJob, idempotencyOf } from './shared/idempotency.ts'
import { accepted, IdempotencyHeader, Payload, takePayload, REFUSALS, TraceHeader } from './schemas/invocation.ts'
import { jobView } from './schemas/job.ts'
import { MethodParams } from './schemas/service.ts'

const MAX_LINES = 10_000
const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1_000

const CastQuery = Type.Object(
  {
    delayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_DELAY_MS, description: 'Not run before' })),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9, description: '9 runs first' })),
    maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    ttlMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_DELAY_MS, description: 'Expires if it has not begun by then' }),
    ),
  },
  { additionalProperties: false },
)

const CastHeaders = Type.Object({
  'request-timeout': Type.Optional(
    Type.String({ description: 'How long a module that has not described itself yet is waited for: 500ms, 10s, 2m' }),
  ),
  ...IdempotencyHeader,
  ...TraceHeader,
})

const BatchItem = Type.Object({
  status: Type.Integer({ description: '202, or that of the problem' }),
  job: Type.Optional(Type.Ref('Job')),
  problem: Type.Optional(Type.Ref('Problem')),
})
const Batch = Type.Object({ items: Type.Array(BatchItem) }, { description: 'One item a line, in the same order' })

/** The lines of a batch, as they came; one more than it may have is enough to know. */
class Lines {
  readonly lines: string[] = []

  constructor(text: string) {
    for (let start = 0; start < text.length && this.lines.length <= MAX_LINES; ) {
      const next = text.indexOf('\n', start)
      const end = next === -1 ? text.length : next
      const line = text.slice(start, end)
      if (line.trim() !== '') this.lines.push(line)
      start = end + 1
    }
  }
}

interface CastRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
}

export const castRoutes: FastifyPluginAsyncTypebox<CastRoutesOptions> = async (app, { registry, dispatcher }) => {
  // Bytes are no job, whatever they say they are: of a service not described yet, that is seen later.
  app.removeContentTypeParser('*')
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    if (request.headers['content-length'] === '0') return undefined
    const { service, method } = request.params as typeof MethodParams.static
    registry.get(service).contract.checkTakesJson(method)
    throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(request.headers['content-type'])
  })
  app.addContentTypeParser('application/x-ndjson', { parseAs: 'buffer' }, (_request, body, done) =>
    settle(done, () => new Lines(textOf(body as Buffer))),
  )

  app.post('/services/:service/cast/:method', {
    schema: {
      operationId: 'cast',
      tags: ['Invocations'],
      summary: 'Queue a job and return at once; with application/x-ndjson, one a line, in one transaction',
      params: MethodParams,
      headers: CastHeaders,
      querystring: CastQuery,
      consumes: ['application/json', 'application/x-ndjson'],
      body: Payload,
      response: {
        202: accepted('The job is on disk'),
        207: Batch,
        ...problems(...REFUSALS, 'MALFORMED_QUERY'),
      },
    },
    handler: async (request, reply) => {
      const { service: name, method } = request.params
      const service = registry.get(name)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout']) ?? METHOD_DEFAULTS.timeoutMs
      if (service.contract.description === undefined) await service.whenDescribed('cast', timeoutMs)
      service.contract.method(method)
      if (request.body instanceof Lines) {
        if (request.headers['idempotency-key'] !== undefined) {
          throw new ThreadplaneError('MALFORMED_HEADER', 'Idempotency-Key is of a single cast: a batch takes none')
        }
        return reply.code(207).send({ items: await castBatch(service, request, request.body) })
      }
      const payload = takePayload(request)
      service.contract.validate(method, payload)
      // Without options it is the job that a call with the same key stands for.
      const said = Object.keys(request.query).length === 0 ? [payload] : [payload, request.query]
      const idempotency = idempotencyOf(request, name, method, said)
      const options = { ...request.query, traceparent: traceparent(request.headers), idempotency }
      const [answer] = await dispatcher.cast(service, [{ method, payload: request.bodyText, options }])
      const job = acceptedJob(answer as Accepted, reply)
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).send(jobView(job))
    },
  })

  /** A bad line does not spoil the others. */
  async function castBatch(
    service: SupervisedService,
    request: FastifyRequest<{ Params: { method: string }; Querystring: typeof CastQuery.static }>,
    { lines }: Lines,
  ): Promise<(typeof BatchItem.static)[]> {
    if (lines.length > MAX_LINES) {
      throw new ThreadplaneError('PAYLOAD_TOO_LARGE', `a batch has at most ${MAX_LINES} lines`)
    }
    const { method } = request.params
    const options = { ...request.query, traceparent: traceparent(request.headers) }
    const read = lines.map((line) => readLine(service, method, line))
    const requests: CastRequest[] = []
    for (const line of read) if ('payload' in line) requests.push({ method, payload: line.payload, options })
    const answers = requests.length === 0 ? [] : await dispatcher.cast(service, requests)
    return read.map((line) => {
      if ('error' in line) return { status: line.error.status, problem: app.problemOf(line.error, request) }
      return { status: 202, job: jobView((answers.shift() as Accepted & { kind: 'new' }).job) }
    })
  }
}

function readLine(
  service: SupervisedService,
  method: string,
  line: string,
): { payload: string } | { error: ThreadplaneError } {
  try {
    service.contract.validate(method, parseJson(line))
    return { payload: line.trim() }
  } catch (error) {
    if (error instanceof ThreadplaneError) return { error }
    throw error
  }
}
