/** CPU profiles, allocations and heap snapshots of a running thread, as files for the tools of Chrome and VS Code. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Member } from '../src/cluster/membership.ts'
import type { Plane } from '../src/cluster/plane.ts'
import { ThreadplaneError } from '../src/contract/errors.ts'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { Profile, Profiles } from '../src/services/profiles.ts'
import type { SupervisedService } from '../src/services/supervised-service.ts'
import { ServiceParams } from './schemas/service.ts'
import { callerOf } from './shared/caller.ts'

const thread = Type.Optional(
  Type.Integer({
    minimum: 1,
    description: 'Id of the thread, as in the status of the service. Absent: a thread that hangs, else the busiest',
  }),
)

const node = Type.Optional(
  Type.String({
    description: 'In a cluster: id or name of the node. Absent: the one that answers, or one that runs the service',
  }),
)

/** Beyond the seconds of a recording: a heap snapshot of gigabytes takes minutes. */
const MORE_MS = 300_000

const RESPONSES = problems(
  'NODE_NOT_FOUND',
  'NODE_UNREACHABLE',
  'MALFORMED_BODY',
  'SERVICE_NOT_FOUND',
  'VALIDATION_FAILED',
  'CONFLICT',
  'THREAD_DIED',
  'DEADLINE_EXCEEDED',
)

const file = (description: string) => ({
  description,
  headers: { 'Content-Disposition': { type: 'string', description: 'The name of the file' } },
  content: { 'application/json': { schema: Type.Unknown() } },
})

const EXTENSIONS = { cpu: 'cpuprofile', allocations: 'heapprofile', 'heap-snapshot': 'heapsnapshot' } as const

interface ProfileRoutesOptions {
  registry: Registry
  profiles: Profiles
  plane: Plane | undefined
}

export const profileRoutes: FastifyPluginAsyncTypebox<ProfileRoutesOptions> = async (
  app,
  { registry, profiles, plane },
) => {
  /** Has another node answer, if the request is for that. */
  const isElsewhere = (request: FastifyRequest, reply: FastifyReply, asked: string | undefined): boolean => {
    const { service } = request.params as { service: string }
    const peer = plane && nodeFor(plane, registry.get(service), asked)
    if (plane === undefined || peer === undefined) return false
    const { node: _node, ...body } = request.body as { node?: string; seconds?: number }
    const withinMs = (body.seconds ?? 0) * 1_000 + MORE_MS
    const headers = { 'content-type': 'application/json' }
    const relayed = { reply, path: request.url, headers, body: JSON.stringify(body), caller: callerOf(request) }
    plane.relay(peer, { ...relayed, withinMs, silentMs: withinMs }).catch((error: unknown) => reply.send(error))
    return true
  }

  app.post('/services/:service/profile', {
    config: { scope: 'profile' },
    schema: {
      operationId: 'profileService',
      tags: ['Services'],
      summary: 'Record a CPU profile or the allocations of a thread of a service',
      description:
        'It works for a thread that hangs, too; `hangTimeoutMs` rests meanwhile. An endless loop is charged to its caller: see the stack beside it. A client that hangs up ends the recording. One at a time of a service, and two of all.',
      params: ServiceParams,
      body: Type.Object(
        {
          kind: Type.Unsafe<'cpu' | 'allocations'>({ type: 'string', enum: ['cpu', 'allocations'] }),
          seconds: Type.Integer({ minimum: 1, maximum: 120 }),
          thread,
          node,
          intervalUs: Type.Optional(
            Type.Integer({
              minimum: 100,
              maximum: 1_000_000,
              default: 1_000,
              description: 'With cpu: time between two samples, in microseconds',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: file('The profile: a .cpuprofile or .heapprofile'), ...RESPONSES },
    },
    handler: async (request, reply) => {
      const { params, body } = request
      const { kind, seconds, thread, intervalUs = 1_000 } = body
      if (isElsewhere(request, reply, body.node)) return reply
      const service = registry.get(params.service)
      const recording = kind === 'cpu' ? { kind, seconds, intervalUs } : { kind, seconds }
      const profile = await profiles.record(service, recording, thread, app.clients.signalOfWait(reply))
      return sendFile(reply, profile, `${service.name}-${profile.thread}.${EXTENSIONS[kind]}`)
    },
  })

  app.post('/services/:service/heap-snapshot', {
    config: { scope: 'heap' },
    schema: {
      operationId: 'takeHeapSnapshot',
      tags: ['Services'],
      summary: 'Take a heap snapshot of a thread of a service',
      description:
        'The thread does nothing else meanwhile; `hangTimeoutMs` rests. The snapshot has the values of the service in it, secrets too.',
      params: ServiceParams,
      body: Type.Object(
        {
          thread,
          node,
          force: Type.Optional(
            Type.Boolean({ default: false, description: 'Also if memory may not be enough: 2.5 times the heap' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: file('The snapshot: a .heapsnapshot'), ...RESPONSES },
    },
    handler: async (request, reply) => {
      const { params, body } = request
      const { thread, force = false } = body
      if (isElsewhere(request, reply, body.node)) return reply
      const service = registry.get(params.service)
      const recording = { kind: 'heap-snapshot', force } as const
      const profile = await profiles.record(service, recording, thread, app.clients.signalOfWait(reply))
      return sendFile(reply, profile, `${service.name}-${profile.thread}.${EXTENSIONS[recording.kind]}`)
    },
  })
}

/** The other node that a profile is of; `undefined`: this one. @throws NODE_NOT_FOUND */
function nodeFor(plane: Plane, service: SupervisedService, asked: string | undefined): Member | undefined {
  const { self } = plane.membership
  if (asked === undefined) return service.sessions.length > 0 ? undefined : plane.peersWith(service.name)[0]
  if (asked === self.id || asked === self.name) return undefined
  const peer = plane.find(asked)
  if (peer !== undefined) return peer
  throw new ThreadplaneError('NODE_NOT_FOUND', `there is no node ${JSON.stringify(asked)}`)
}

/** The stream is read as fast as the client reads, and destroyed with the connection. */
function sendFile(reply: FastifyReply, { body, bytes }: Profile, name: string) {
  // The client has hung up: nobody would read the file, which stays on the disk while it is open.
  if (reply.raw.destroyed) body.destroy()
  return reply
    .headers({
      'content-type': 'application/json',
      'content-length': bytes,
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
    })
    .send(body)
}
