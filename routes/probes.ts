/** Health probes with the paths of the Kubernetes API server. `?verbose` lists the checks. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { problems } from '../src/http/problem-responses.ts'
import type { ClusterNode } from '../src/cluster/cluster-node.ts'
import type { Dispatcher } from '../src/jobs/dispatcher.ts'
import type { Registry } from '../src/registry/registry.ts'

export const Health = Type.Object(
  {
    status: Type.String({ enum: ['ok', 'unavailable'] }),
    checks: Type.Optional(
      Type.Array(
        Type.Object({
          name: Type.String(),
          ok: Type.Boolean(),
          detail: Type.Optional(
            Type.String({ description: 'What an accepted job survives, where jobs are in a database' }),
          ),
        }),
      ),
    ),
  },
  { $id: 'Health', title: 'Health' },
)

const refusals = problems()

interface Check {
  name: string
  ok: boolean
  detail?: string
}

interface ProbeRoutesOptions {
  registry: Registry
  dispatcher: Dispatcher
  /** What an accepted job survives, if the store knows that. */
  durability: string | undefined
  node: ClusterNode | undefined
}

export const probeRoutes: FastifyPluginAsyncTypebox<ProbeRoutesOptions> = async (
  app,
  { registry, dispatcher, durability, node },
) => {
  const probe = (path: string, operationId: string, [summary, description]: [string, string], check: () => Check[]) =>
    app.get(path, {
      config: { scope: 'none' },
      schema: {
        operationId,
        tags: ['Health'],
        summary,
        description,
        // Any value is accepted: a probe that is refused because of its query would look like a dead server.
        querystring: Type.Object({
          verbose: Type.Optional(Type.Unknown({ description: 'List the checks in the answer' })),
        }),
        response: {
          ...refusals,
          200: Type.Ref('Health', { description: 'Yes' }),
          503: {
            description: `No; or ${refusals[503]?.description}`,
            content: { 'application/json': { schema: Type.Ref('Health') }, ...refusals[503]?.content },
          },
        },
      },
      handler: async ({ query: { verbose } }, reply) => {
        const checks = check()
        const ok = checks.every((one) => one.ok)
        reply.header('cache-control', 'no-store').code(ok ? 200 : 503)
        const isVerbose = verbose !== undefined && verbose !== 'false' && verbose !== '0'
        return { status: ok ? 'ok' : 'unavailable', ...(isVerbose && { checks }) }
      },
    })

  /** Its reason may name a folder, and anybody may ask. */
  const journal = (): Check => {
    if (!dispatcher.storeIsReady)
      return { name: 'journal', ok: false, detail: 'it cannot be used now: the log says why' }
    return { name: 'journal', ok: true, ...(durability !== undefined && { detail: durability }) }
  }

  probe(
    '/livez',
    'livez',
    ['Does the event loop answer?', 'It does nothing but answer. Restart a server that stays silent.'],
    () => [{ name: 'eventLoop', ok: true }],
  )
  probe(
    '/readyz',
    'readyz',
    [
      'Does the server accept work, and do all required services run?',
      '503 while the server starts or closes (a node of a cluster: until its services have started or failed to), while the store of jobs cannot be written, and while a service with the option `required` does not run.',
    ],
    () => [
      { name: 'open', ok: !registry.leaving && !registry.closing },
      // While a node starts, others run its services: who restarts node by node waits here.
      ...(node === undefined
        ? []
        : [
            { name: 'startedUp', ok: registry.startedUp },
            { name: 'takesWork', ok: !node.isDraining },
          ]),
      journal(),
      ...registry.services
        .filter((service) => service.options.required)
        .map((service) => ({
          name: `service ${service.name}`,
          ok: service.state === 'running' || !service.isPlacedHere,
        })),
    ],
  )
  probe(
    '/startupz',
    'startupz',
    [
      'Has the start of every autostarted service succeeded or failed?',
      '503 until then. A service that has failed says why in its status.',
    ],
    () => [{ name: 'startedUp', ok: registry.startedUp }],
  )
}
