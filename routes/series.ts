/** The last hour of a service, or of all, as rows of numbers for charts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import ms from 'ms'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { SeriesRecorder } from '../src/registry/series.ts'
import { SeriesView } from './schemas/series.ts'
import { checkService } from './shared/service-check.ts'

interface SeriesOptions {
  registry: Registry
  series: SeriesRecorder
}

export const seriesRoutes: FastifyPluginAsyncTypebox<SeriesOptions> = async (app, { registry, series }) => {
  app.get('/series', {
    config: { scope: 'read', narrows: true },
    schema: {
      operationId: 'getSeries',
      tags: ['Services'],
      summary: 'The last hour of a service in steps of 10 s',
      description:
        'Kept in memory: it begins with the start of the server. Without `service`: of all services together.',
      querystring: Type.Object(
        {
          service: Type.Optional(Type.String()),
          last: Type.Optional(
            Type.String({
              pattern: '^([1-9]\\d{0,3}s|[1-5]?\\dm|60m|1h)$',
              default: '1h',
              description: 'A duration of at most an hour, such as 90s, 15m or 1h',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: SeriesView, ...problems('SERVICE_NOT_FOUND', 'MALFORMED_QUERY') },
    },
    handler: async (request, reply) => {
      const { service, last = '1h' } = request.query
      if (service !== undefined) checkService(request, reply, ['read'], registry.get(service).name)
      const counts = (name: string) =>
        service === undefined ? (request.access?.has(['read'], name) ?? true) : name === service
      const { stepMs, columns, points } = series.read(ms(last as ms.StringValue), Date.now(), counts)
      return { stepMs, columns: ['at', ...columns], items: points }
    },
  })
}
