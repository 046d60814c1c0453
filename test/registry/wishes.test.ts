/** What a person wants of services is kept, and the last wish wins: over shutdowns, restarts and changes that meet. */
import t from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { ServiceChanges } from '../../src/registry/service-changes.ts'
import { reached } from '../helper.ts'
import { type Answer, isProblem, letGo, serve } from '../http-helper.ts'

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
  await server.logs.line('waits to stop', {}, 2)
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
  if (thread !== undefined) await reached(thread, 'stopped')
  // Its thread has stopped, and the group waits for that of another member before it starts them all.
  t.match(await server.post('/v1/services/quick/stop'), { json: { state: 'stopped', changed: true } })
  letGo('waits')
  await server.reaches('crashes', 'running')
  await server.reaches('waits', 'running')
  t.match(await server.status('quick'), { state: 'stopped', desiredState: 'stopped' })
  const closing = server.close()
  await server.logs.line('waits to stop', {}, 2)
  letGo('waits')
  await closing
})

t.test('a dependent starts a service that does not start by itself, whichever the server comes to first', async (t) => {
  const services = { after: 'not-by-itself', dependent: 'echo', zero: 'not-by-itself' }
  const first = await serve(t, { services })
  await first.request('PATCH', '/v1/services/dependent', { json: { dependsOn: ['after', 'zero'] } })
  await first.close()
  // Their descriptions are known now, so nothing is waited for before the services start.
  const second = await serve(t, { services: {}, folder: first.folder })
  for (const name of ['after', 'dependent', 'zero']) t.match(await second.status(name), { state: 'running' }, name)
})

t.test('a stop while a new version of a stopped service is written is the last word', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  await server.post('/v1/services/echo/stop')
  const service = server.service('echo')
  const { registrations } = server.server.registry.options
  const update = registrations.update.bind(registrations)
  let stopped: Promise<unknown> | undefined
  registrations.update = async (name, change) => {
    registrations.update = update
    await update(name, change)
    const { wishes } = server.server.registry
    stopped = Promise.all([wishes.stop('echo', { drain: true }), wishes.keepStopped('echo')])
  }
  t.match(await server.put('echo', { module: 'echo.js', required: true }), { status: 200, json: { state: 'stopped' } })
  await stopped
  t.match(service, { state: 'stopped', desiredState: 'stopped', options: { required: true } })
  t.equal(registrations.get('echo')?.desiredState, 'stopped')
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

t.test('a service that another one is about to depend on is not deleted', async (t) => {
  const server = await serve(t, { services: { base: 'echo', other: 'echo' } })
  const { registrations } = server.server.registry.options
  const update = registrations.update.bind(registrations)
  for (const change of ['PATCH', 'PUT'] as const) {
    let deleted: Promise<Answer> | undefined
    registrations.update = async (name, next) => {
      registrations.update = update
      deleted = server.delete('/v1/services/base')
      await deleted
      await update(name, next)
    }
    const json = { dependsOn: ['base'], ...(change === 'PUT' && { module: 'other.js' }) }
    const changed = await server.request(change, `/v1/services/${change === 'PUT' ? 'new' : 'other'}`, { json })
    t.ok(changed.status < 300, change)
    isProblem(t, (await deleted) as Answer, 'CONFLICT', { detail: /depends on base/ })
    if (change === 'PATCH') await server.request('PATCH', '/v1/services/other', { json: { dependsOn: [] } })
  }
})

t.test('a server that closes stops also a service that is being deleted', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const service = server.service('echo')
  const { registry } = server.server
  const cancelled = new Deferred<void>()
  const begun = new Deferred<void>()
  registry.options.dispatcher.ofService.cancelAll = () => {
    begun.resolve()
    return cancelled.promise
  }
  const deleted = new ServiceChanges(registry).remove('echo', { cancelJobs: true })
  await begun.promise
  await registry.close()
  t.equal(service.state, 'stopped')
  cancelled.reject(new ThreadplaneError('CONFLICT', '1 jobs could not be cancelled yet'))
  await t.rejects(deleted, { code: 'CONFLICT' })
  t.equal(registry.find('echo'), service)
})

t.test('a PUT that was written, and whose version does not start beside the one before, says so', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', fails: 'fails-to-start' }, start: false })
  const { registry } = server.server
  const { registrations } = registry.options
  const update = registrations.update.bind(registrations)
  process.env.FAILS_TO_START = 'not today'
  t.teardown(() => delete process.env.FAILS_TO_START)
  registrations.update = async (name, change) => {
    registrations.update = update
    await update(name, change)
    await registry.get('echo').start()
  }
  const detail = /^echo is registered anew, but its threads go on as they were: .*not today/
  isProblem(t, await server.put('echo', { module: 'fails.js' }), 'START_FAILED', { detail })
  t.match(await server.call('echo', 'any', 1), { status: 200, json: 1 })
  t.match(registrations.get('echo'), { module: 'fails.js' })
})

t.test('a PUT brings up a service that is being left stopped because of its options', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', lazy: 'waits-at-import' }, start: false })
  await server.request('PATCH', '/v1/services/lazy', { json: { autostart: false } })
  const { registry } = server.server
  const { registrations } = registry.options
  const update = registrations.update.bind(registrations)
  const startedUp = registry.startAll()
  await server.logs.line('waits at import')
  registrations.update = async (name, change) => {
    registrations.update = update
    letGo('lazy')
    await server.reaches('lazy', 'stopped')
    await update(name, change)
  }
  const put = await server.put('lazy', { module: 'echo.js', autostart: true })
  t.match(put, { status: 200, json: { state: 'running', desiredState: 'running' } })
  await startedUp
})

t.test('a PUT that meets the shutdown does not change what a person wants', async (t) => {
  const first = await serve(t, { services: { echo: 'echo', lazy: 'not-by-itself' } })
  await first.post('/v1/services/lazy/start')
  const { registry } = first.server
  const registration = registry.registration.bind(registry)
  registry.registration = async (module, options) => {
    void registry.close()
    return registration(module, options)
  }
  isProblem(t, await first.put('lazy', { module: 'lazy.js' }), 'SHUTTING_DOWN')
  await first.close()
  const second = await serve(t, { services: {}, folder: first.folder })
  t.match(await second.status('lazy'), { state: 'running' })
})
