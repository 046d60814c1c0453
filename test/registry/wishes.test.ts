/** What a person wants of services is kept, and the last wish wins: over shutdowns, restarts and changes that meet. */
import t from 'tap'
import { isProblem, letGo, serve } from '../http-helper.ts'

t.test('a shutdown in the middle of a restart does not change what a person wants', async (t) => {
  const first = await serve(t, { services: { waits: 'waits-to-stop' } })
  const restarted = first.post('/v1/services/waits/restart')
  await first.logs.line('waits to stop')
  const closed = first.close()
  letGo('waits')
  isProblem(t, await restarted, 'SHUTTING_DOWN')
  await closed

  const second = await serve(t, { services: {}, folder: first.folder })
  t.match(await second.status('waits'), { state: 'running', desiredState: 'running' })
  const closing = second.close()
  await second.logs.line('waits to stop')
  letGo('waits')
  await closing
})

t.test('a restart starts a dependent again, unless a person has stopped it meanwhile', async (t) => {
  const server = await serve(t, { services: { waits: 'waits-to-stop', wanted: 'echo', unwanted: 'echo' } })
  for (const name of ['wanted', 'unwanted']) {
    await server.request('PATCH', `/v1/services/${name}`, { json: { dependsOn: ['waits'] } })
  }
  const restarted = server.post('/v1/services/waits/restart')
  await server.logs.line('waits to stop')
  t.match(await server.status('wanted'), { state: 'stopped', desiredState: 'running' })
  await server.post('/v1/services/unwanted/stop')
  letGo('waits')
  t.match(await restarted, { status: 200, json: { stoppedDependents: ['unwanted', 'wanted'] } })
  t.match(await server.status('wanted'), { state: 'running' })
  t.match(await server.status('unwanted'), { state: 'stopped', desiredState: 'stopped' })
  const closing = server.close()
  while (server.logs.records.filter(({ msg }) => msg === 'waits to stop').length < 2) await server.logs.next()
  letGo('waits')
  await closing
})

t.test('a stop while the group of a service restarts is the last word', async (t) => {
  const restart = { strategy: 'oneForAll', group: 'together', backoffMs: 1, backoffMaxMs: 1 }
  const server = await serve(t, { services: { crashes: 'echo', quick: 'echo', waits: 'waits-to-stop' } })
  for (const name of ['crashes', 'quick', 'waits']) {
    await server.request('PATCH', `/v1/services/${name}`, { json: { restart } })
  }
  const [thread] = server.service('quick').threads
  await server.post('/v1/services/crashes/crash', { kind: 'exit' })
  await server.logs.line('waits to stop')
  await thread?.stop()
  // Its thread has stopped, and the group waits for that of another member before it starts them all.
  t.match(await server.post('/v1/services/quick/stop'), { json: { state: 'stopped', changed: true } })
  letGo('waits')
  await server.reaches('crashes', 'running')
  await server.reaches('waits', 'running')
  t.match(await server.status('quick'), { state: 'stopped', desiredState: 'stopped' })
  const closing = server.close()
  while (server.logs.records.filter(({ msg }) => msg === 'waits to stop').length < 2) await server.logs.next()
  letGo('waits')
  await closing
})

t.test('two changes at the same time do not make a circle of dependencies', async (t) => {
  const server = await serve(t, { services: { left: 'echo', right: 'echo' } })
  const patch = (name: string, dependsOn: string[]) =>
    server.request('PATCH', `/v1/services/${name}`, { json: { dependsOn } })
  const answers = await Promise.all([patch('left', ['right']), patch('right', ['left'])])
  t.same(
    answers.map(({ status }) => status).sort((a, b) => a - b),
    [200, 422],
  )
  const refused = answers.find(({ status }) => status === 422)
  if (refused !== undefined) isProblem(t, refused, 'VALIDATION_FAILED', { detail: /circle/ })
  for (const name of ['left', 'right']) t.match((await server.post(`/v1/services/${name}/restart`)).status, 200)
  // The plan of a change that was refused is given up.
  t.match(await patch('left', []), { status: 200 })
  t.match(await patch('right', ['left']), { status: 200 })
})
