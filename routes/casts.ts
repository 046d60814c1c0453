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
import { parseJson, textOf } from '../src/payload/parse-json.ts'
import { finishParsing } from '../src/http/json-body.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Problem } from '../src/http/problem-document.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { BatchRefusals } from './shared/batch-refusals.ts'
import { requestTimeoutMs, traceparent } from './shared/request-headers.ts'
import { acceptedJob, idempotencyOf } from './shared/idempotency.ts'
import { takePayload } from './shared/payload.ts'
import { accepted, IdempotencyHeader, Payload, REFUSALS, TraceHeader } from './schemas/invocation.ts'
import { jobView } from './schemas/job.ts'
import { MethodParams } from './schemas/service.ts'

const MAX_LINES = 10_000
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
const Batch = Type.Object(
  { items: Type.Array(BatchItem) },
  { description: 'One item for each line, in the same order' },
)

/** The lines of a batch that are not empty. It stops after one line more than a batch may have. */
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
    finishParsing(done, () => new Lines(textOf(body as Buffer))),
  )

  app.post('/services/:service/cast/:method', {
    schema: {
      operationId: 'cast',
      tags: ['Invocations'],
      summary: 'Queue a job and answer at once; with application/x-ndjson one job per line, in one transaction',
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
          const detail = 'Idempotency-Key is for a single cast: send the batch without it'
          throw new ThreadplaneError('MALFORMED_HEADER', detail)
        }
        return reply.code(207).send({ items: await castBatch(service, request, request.body) })
      }
      const payload = takePayload(request)
      service.contract.validate(method, payload)
      // Without options the content is that of a call, so a call and a cast with the same key are the same job.
      const content = Object.keys(request.query).length === 0 ? [payload] : [payload, request.query]
      const idempotency = idempotencyOf(request, name, method, content)
      const options = { ...request.query, traceparent: traceparent(request.headers), idempotency }
      const [answer] = await dispatcher.cast(service, [{ method, payload: request.bodyText, options }])
      const job = acceptedJob(answer as Accepted, reply)
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).send(jobView(job))
    },
  })

  /** A line that is refused does not affect the others. */
  async function castBatch(
    service: SupervisedService,
    request: FastifyRequest<{ Params: { method: string }; Querystring: typeof CastQuery.static }>,
    { lines }: Lines,
  ): Promise<(typeof BatchItem.static)[]> {
    if (lines.length > MAX_LINES) {
      throw new ThreadplaneError('PAYLOAD_TOO_LARGE', `the batch has more than ${MAX_LINES} lines: split it`)
    }
    const { method } = request.params
    const options = { ...request.query, traceparent: traceparent(request.headers) }
    const refusals = new BatchRefusals((error) => app.problemOf(error, request))
    const parsedLines = lines.map((line) => parseLine(service, method, line, refusals))
    const requests: CastRequest[] = []
    for (const line of parsedLines) if ('payload' in line) requests.push({ method, payload: line.payload, options })
    const answers = requests.length === 0 ? [] : await dispatcher.cast(service, requests)
    return parsedLines.map((line) => {
      if ('problem' in line) return { status: line.problem.status, problem: line.problem }
      return { status: 202, job: jobView((answers.shift() as Accepted & { kind: 'new' }).job) }
    })
  }
}

function parseLine(
  service: SupervisedService,
  method: string,
  line: string,
  refusals: BatchRefusals,
): { payload: string } | { problem: Problem } {
  try {
    service.contract.validate(method, parseJson(line))
    return { payload: line.trim() }
  } catch (error) {
    if (error instanceof ThreadplaneError) return { problem: refusals.next(error) }
    throw error
  }
}
