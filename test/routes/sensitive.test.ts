/** Payloads and results of sensitive methods: described, in no list, and shown alone to those who may see them. */
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { mayList, mayShow, sensitivityOf } from '../../routes/shared/sensitive.ts'
import { serve } from '../http-helper.ts'

t.test('results and payloads of a sensitive method are in no list', async (t) => {
  const server = await serve(t, { services: { vault: 'secret' } })
  const { json: methods } = await server.get('/v1/services/vault/methods')
  t.match(methods.items, [
    { name: 'secret', sensitive: true },
    { name: 'open', sensitive: false },
  ])
  const ids: string[] = []
  for (const method of ['secret', 'open']) {
    const { json } = await server.cast('vault', method, { password: 'x' })
    t.match(await server.finished(json.id), { state: 'succeeded', result: method === 'open' ? 'shown' : Object })
    ids.push(json.id)
    const schedule = { cron: '0 0 1 1 *', method, payload: { password: 'x' } }
    t.equal((await server.request('PUT', `/v1/services/vault/schedules/${method}`, { json: schedule })).status, 201)
  }
  const { json: jobs } = await server.get('/v1/jobs')
  t.strictSame(
    jobs.items.map(({ method, result }: { method: string; result: unknown }) => [method, result]),
    [
      ['open', 'shown'],
      ['secret', undefined],
    ],
  )
  t.notMatch((await server.get('/v1/jobs')).text, 'hidden')
  t.match((await server.get(`/v1/jobs/${ids[0]}`)).json.result, { token: 'hidden' }, 'alone it is shown')
  t.strictSame((await server.get(`/v1/jobs/${ids[0]}/payload`)).json, { password: 'x' })
  const { json: schedules } = await server.get('/v1/services/vault/schedules')
  const payloads = schedules.items.map(({ name, payload }: { name: string; payload: unknown }) => [name, payload])
  t.strictSame(payloads, [
    ['open', { password: 'x' }],
    ['secret', undefined],
  ])
  t.match((await server.get('/v1/services/vault/schedules/secret')).json, { payload: { password: 'x' } })
})

t.test('a job of a method that is not known counts as sensitive where it is shown alone', async (t) => {
  const { registry } = (await serve(t, { services: { vault: 'secret' } })).server
  const request = {} as FastifyRequest
  t.equal(sensitivityOf(registry, { service: 'vault', method: 'secret' }), 'sensitive')
  t.equal(sensitivityOf(registry, { service: 'vault', method: 'open' }), 'open')
  const gone = { service: 'gone', method: 'secret' }
  t.equal(sensitivityOf(registry, gone), 'unknown')
  t.equal(mayShow(registry, gone, request), true, 'while nobody is restricted')
  t.equal(mayList(registry, gone, request), true)
})
