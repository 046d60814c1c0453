/**
 * `POST …/cast/{method}`: accepts a job, and answers 202 once it is on disk. With `application/x-ndjson` each line is a
 * job, and all of them are accepted in one transaction.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { errorCodes, type FastifyRequest } from 'fastify'
import { ThreadplaneError } from '../src/contract/errors.ts'
import type { CastRequest } from '../src/jobs/cast-request.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import type { Accepted } from '../src/jobs/job-store.ts'
import { METHOD_DEFAULTS } from '../src/contract/options.ts'
import { BytePayload } from '../src/payload/byte-payload.ts'
import { JSON_TYPE } from '../src/payload/media-types.ts'
import { longList } from '../src/http/long-list.ts'
import type { PayloadChecker } from '../src/payload/payload-checker.ts'
import { checkCharset, finishParsing, readJson } from '../src/http/json-body.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { BatchRefusals } from './shared/batch-refusals.ts'
import { requestTimeoutMs, traceparent } from './shared/request-headers.ts'
import { acceptedJob } from './shared/idempotency.ts'
import { LARGE_BYTES, refusalOf, storedPayload } from './shared/stored-payload.ts'
import { accepted, IdempotencyHeader, Payload, REFUSALS, TraceHeader } from './schemas/invocation.ts'
import { jobView } from './schemas/job.ts'
import { MethodParams } from './schemas/service.ts'

const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1_000

const CastQuery = Type.Object(
  {
    delayMs: Type.Optional(
      Type.Integer({ minimum: 0, maximum: MAX_DELAY_MS, description: 'Do not run the job earlier' }),
    ),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9, description: '9 runs first' })),
    maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    ttlMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_DELAY_MS,
        description: 'The job expires if it has not begun within this time',
      }),
    ),
  },
  { additionalProperties: false },
)

const CastHeaders = Type.Object({
  'request-timeout': Type.Optional(
    Type.String({ description: 'How long to wait for a module that is not described yet: 500ms, 10s, 2m' }),
  ),
  ...IdempotencyHeader,
  ...TraceHeader,
})

const BatchItem = Type.Object({
  status: Type.Integer({ description: '202, or the status of the problem' }),
  job: Type.Optional(Type.Ref('Job')),
  problem: Type.Optional(Type.Ref('Problem')),
})
export const BatchAnswer = Type.Object(
  { items: Type.Array(BatchItem) },
  { $id: 'BatchAnswer', title: 'BatchAnswer', description: 'One item for each line, in the same order' },
)

/** The body of a batch. */
class Batch {
  readonly body: Buffer

  constructor(body: Buffer) {
    this.body = body
  }
}

interface CastRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
  maxBodyBytes: number
  checker: PayloadChecker
}

export const castRoutes: FastifyPluginAsyncTypebox<CastRoutesOptions> = async (
  app,
  { registry, dispatcher, maxBodyBytes, checker },
) => {
  // Bytes cannot be cast, so a body of another type is refused. `checkTakesJson` throws the better error if the method
  // accepts bytes; if the module is not described yet, it throws nothing.
  app.removeContentTypeParser('*')
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    if (request.headers['content-length'] === '0') return undefined
    const { service, method } = request.params as typeof MethodParams.static
    registry.get(service).contract.checkTakesJson(method)
    throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(request.headers['content-type'])
  })
  app.addContentTypeParser('application/x-ndjson', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, new Batch(body as Buffer)),
  )
  app.removeContentTypeParser(JSON_TYPE)
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request: FastifyRequest, body, done) =>
    finishParsing(done, () => readSmallJson(request, body as Buffer)),
  )

  app.post('/services/:service/cast/:method', {
    config: { scope: 'enqueue', audits: false },
    bodyLimit: maxBodyBytes,
    schema: {
      operationId: 'castMethod',
      tags: ['Invocations'],
      summary: 'Queue a job and answer at once; with application/x-ndjson one job per line, in one transaction',
      description:
        '202 means that the job is on disk: it runs although the client, the service or the server ends. Each method of a registered service has a typed operation of its own.',
      params: MethodParams,
      headers: CastHeaders,
      querystring: CastQuery,
      consumes: ['application/json', 'application/x-ndjson'],
      body: Payload,
      response: {
        202: accepted('The job is on disk'),
        207: Type.Ref('BatchAnswer'),
        ...problems(...REFUSALS, 'MALFORMED_QUERY'),
      },
    },
    handler: async (request, reply) => {
      const { service: name, method } = request.params
      const service = registry.get(name)
      const timeoutMs = requestTimeoutMs(request.headers['request-timeout']) ?? METHOD_DEFAULTS.timeoutMs
      if (service.contract.description === undefined) await service.whenDescribed('cast', timeoutMs)
      service.contract.method(method)
      if (request.body instanceof Batch) {
        if (request.headers['idempotency-key'] !== undefined) {
          const detail = 'Idempotency-Key is for a single cast: send the batch without it'
          throw new ThreadplaneError('MALFORMED_HEADER', detail)
        }
        const text = await castBatch(service, request, request.body, timeoutMs)
        return reply.code(207).type('application/json; charset=utf-8').serializer(String).send(text)
      }
      // Without options the content is that of a call, so a call and a cast with the same key are the same job.
      const keyedBy = Object.keys(request.query).length === 0 ? [] : [request.query]
      const { text, idempotency } = await storedPayload(checker, service, request, keyedBy, timeoutMs)
      const options = { ...request.query, traceparent: traceparent(request.headers), idempotency }
      const [answer] = await dispatcher.cast(service, [{ method, payload: text, options }])
      const job = acceptedJob(answer as Accepted, reply)
      return reply.code(202).header('location', `${app.prefix}/jobs/${job.id}`).send(jobView(job))
    },
  })

  /** A line that is refused does not affect the others. Answers the JSON of a `BatchAnswer`. */
  async function castBatch(
    service: SupervisedService,
    request: FastifyRequest<{ Params: { method: string }; Querystring: typeof CastQuery.static }>,
    { body }: Batch,
    timeoutMs: number,
  ): Promise<string> {
    const { method } = request.params
    const { contract } = service
    contract.checkTakesJson(method)
    const payload = new BytePayload(undefined, [body])
    const lines = await checker.lines(payload.join(), contract.method(method).widenedInput, timeoutMs)
    const options = { ...request.query, traceparent: traceparent(request.headers) }
    const requests: CastRequest[] = []
    for (const line of lines) if ('text' in line) requests.push({ method, payload: line.text, options })
    const answers = requests.length === 0 ? [] : await dispatcher.cast(service, requests)
    const refusals = new BatchRefusals((error) => app.problemOf(error, request))
    let at = 0
    return longList(lines, (line): typeof BatchItem.static => {
      if ('text' in line) return { status: 202, job: jobView((answers[at++] as Accepted & { kind: 'new' }).job) }
      const problem = refusals.next(refusalOf(line, service, method))
      return { status: problem.status, problem }
    })
  }
}

/** The value of a JSON body; of a large one the body itself. @throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY */
function readSmallJson(request: FastifyRequest, body: Buffer): unknown {
  if (body.byteLength < LARGE_BYTES) return readJson(request, body)
  checkCharset(request)
  return new BytePayload(request.headers['content-type'], [body])
}
