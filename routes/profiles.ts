/** CPU profiles, allocations and heap snapshots of a running thread, as files for the tools of Chrome and VS Code. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { problems } from '../src/http/problem-responses.ts'
import type { Registry } from '../src/registry/registry.ts'
import type { Profile, Profiles } from '../src/services/profiles.ts'
import { ServiceParams } from './schemas/service.ts'

const thread = Type.Optional(
  Type.Integer({
    minimum: 1,
    description: 'Id of the thread, as in the status of the service. Absent: a thread that hangs, else the busiest',
  }),
)

const RESPONSES = problems(
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
}

export const profileRoutes: FastifyPluginAsyncTypebox<ProfileRoutesOptions> = async (app, { registry, profiles }) => {
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
    handler: async ({ params, body: { kind, seconds, thread, intervalUs = 1_000 } }, reply) => {
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
          force: Type.Optional(
            Type.Boolean({ default: false, description: 'Also if memory may not be enough: 2.5 times the heap' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: { 200: file('The snapshot: a .heapsnapshot'), ...RESPONSES },
    },
    handler: async ({ params, body: { thread, force = false } }, reply) => {
      const service = registry.get(params.service)
      const recording = { kind: 'heap-snapshot', force } as const
      const profile = await profiles.record(service, recording, thread, app.clients.signalOfWait(reply))
      return sendFile(reply, profile, `${service.name}-${profile.thread}.${EXTENSIONS[recording.kind]}`)
    },
  })
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
