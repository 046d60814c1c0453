/** `GET /metrics`, for Prometheus. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import Negotiator from 'negotiator'
import { problems } from '../src/http/problem-responses.ts'
import type { Metrics } from '../src/scrape/metrics.ts'
import { type Format, FORMATS, inSlices } from '../src/telemetry/metrics-text.ts'

const text = (type: string) => ({ [type]: { schema: Type.String() } })

export const metricsRoutes: FastifyPluginAsyncTypebox<{ metrics: Metrics }> = async (app, { metrics }) => {
  app.get('/metrics', {
    config: { scope: 'metrics' },
    schema: {
      operationId: 'metrics',
      tags: ['Health'],
      summary: 'Metrics for Prometheus',
      description: 'In the text format of Prometheus, or in that of OpenMetrics if `Accept` prefers it.',
      response: {
        200: {
          description: 'All metrics',
          content: { ...text('text/plain'), ...text('application/openmetrics-text') },
        },
        ...problems(),
      },
    },
    handler: async ({ raw }, reply) => {
      const format = formatOf(raw.headers.accept)
      const pieces = await metrics.read(format)
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
      reply.headers({ 'cache-control': 'no-store', vary: 'Accept', 'content-length': bytes }).type(FORMATS[format])
      // For the schema the answer is text. Bytes are sent as they are.
      return reply.send(Readable.from(inSlices(pieces)) as never)
    },
  })
}

/** A client that accepts neither gets the text of Prometheus. */
function formatOf(accept: string | undefined): Format {
  const types = [FORMATS.prometheus, FORMATS.openMetrics].map((type) => type.replace('; charset=utf-8', ''))
  const [first] = new Negotiator({ headers: { accept } }).mediaTypes(types)
  return first?.startsWith('application/') ? 'openMetrics' : 'prometheus'
}
