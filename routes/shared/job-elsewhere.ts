/**
 * A job that runs on another node, as that node shows it: only there is known how far it is, and whether its attempt has
 * begun in a thread. Where that node does not answer in time, what is stored is shown.
 */
import type { FastifyRequest } from 'fastify'
import type { Plane } from '../../src/cluster/plane.ts'
import type { Dispatcher } from '../../src/jobs/dispatcher.ts'
import type { Job as JobRecord } from '../../src/jobs/job.ts'
import type { Job } from '../schemas/job.ts'
import { callerOf } from './caller.ts'

export async function jobElsewhere(
  plane: Plane,
  dispatcher: Dispatcher,
  { id, state }: JobRecord,
  request: FastifyRequest,
): Promise<Job | undefined> {
  if (state !== 'running' || dispatcher.notices.runsHere(id)) return undefined
  const runner = await plane.runnerOf(id).catch(() => undefined)
  if (runner === undefined) return undefined
  const question = {
    method: 'GET',
    path: `/v1/jobs/${id}`,
    caller: callerOf(request),
  } as const
  const [answer] = await plane.askAll([runner], question)
  return answer?.status === 200 ? (JSON.parse(answer.text) as Job) : undefined
}
