/** Replacing a service while clients call it without a pause, and during other operations on it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Answer, serve } from '../http-helper.ts'

const server = await serve(t, { services: { gate: 'gate', echo: 'echo' }, start: false })

const reload = (service: string) => server.post(`/v1/services/${service}/reload`)
const ids = (status: Answer['json']): number[] => status.threads.map(({ id }: { id: number }) => id)

/** Writes a module whose only method returns its version. */
function writeVersion(name: string, version: number | string): void {
  const text = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { defineService, method } from 'threadplane/service'
    export default defineService({
      methods: { version: method({ handler: () => sleep(10, ${JSON.stringify(version)}) }) },
    })`
  writeFileSync(join(server.workers, `${name}.js`), text)
}

/** Several clients that call without a pause. `end` stops them and returns all answers. */
function clients(service: string, count: number): { end: () => Promise<Answer[]> } {
  const answers: Answer[] = []
  let calling = true
  const all = Array.from({ length: count }, async () => {
    while (calling) answers.push(await server.call(service, 'version'))
  })
  return {
    end: async () => {
      calling = false
      await Promise.all(all)
      return answers
    },
  }
}

t.test('no call is refused while code, options and module are replaced', async (t) => {
  writeVersion('live', 0)
  await server.put('live', { module: 'live.js', threads: 2, numWorkers: 2, prefetch: 4 })
  const first = ids(await server.status('live'))
  const calling = clients('live', 4)
  for (let version = 1; version <= 3; version += 1) {
    const before = ids(await server.status('live'))
    writeVersion('live', version)
    t.match(await reload('live'), { status: 200, json: { state: 'running', changed: true, restartCount: 0 } })
    t.match(await server.call('live', 'version'), { status: 200, json: version }, 'the new code runs new calls')
    const after = ids(await server.status('live'))
    t.equal(after.filter((id) => !before.includes(id)).length, 2, 'all its threads are new')
  }
  writeVersion('other', 'put')
  t.match(await server.put('live', { module: 'other.js', threads: 1 }), { status: 200, json: { module: 'other.js' } })
  t.match(await server.call('live', 'version'), { json: 'put' })
  t.match(await server.request('PATCH', '/v1/services/live', { json: { numWorkers: 3, threads: 3 } }), { status: 200 })
  const answers = await calling.end()
  t.same([...new Set(answers.map(({ status }) => status))], [200], `of ${answers.length} calls`)
  t.equal(new Set(answers.map(({ json }) => json)).size, 5, 'every version has served')
  const last = await server.status('live')
  t.match(last, { state: 'running', threads: { length: 3 } })
  t.notOk(ids(last).some((id) => first.includes(id)))
})

t.test('no call is lost while the number of threads changes', async (t) => {
  const patch = (threads: number) => server.request('PATCH', '/v1/services/sizes', { json: { threads } })
  writeVersion('sizes', 1)
  await server.put('sizes', { module: 'sizes.js', numWorkers: 1, prefetch: 2 })
  const [first] = ids(await server.status('sizes'))
  const calling = clients('sizes', 4)
  for (const threads of [3, 1, 2]) {
    const { status, json } = await patch(threads)
    t.match({ status, json }, { status: 200, json: { state: 'running', restartCount: 0, options: { threads } } })
    t.equal(json.threads.length, threads)
    t.ok(json.threads.every(({ state }: { state: string }) => state === 'running'))
    if (threads === 3) t.ok(ids(json).includes(first as number), 'the old threads stay')
  }
  const answers = await calling.end()
  t.same([...new Set(answers.map(({ status }) => status))], [200], `of ${answers.length} calls`)
})

t.test(
  'after contrary operations at the same time there is one service that works, and every answer is documented',
  async (t) => {
    for (let round = 0; round < 2; round += 1) {
      await server.put('contested', { module: 'echo.js' })
      const answers = await Promise.all([
        reload('contested'),
        server.put('contested', { module: 'gate.js', threads: 2 }),
        server.post('/v1/services/contested/restart'),
        reload('contested'),
        server.request('PATCH', '/v1/services/contested', { json: { threads: 3, numWorkers: 1 } }),
        server.post('/v1/services/contested/stop'),
        server.post('/v1/services/contested/start'),
        ...(round === 1 ? [server.delete('/v1/services/contested')] : []),
        server.put('contested', { module: 'echo.js' }),
      ])
      for (const { status, json } of answers)
        t.ok([200, 201, 204, 404, 409].includes(status), `${status} ${json?.detail}`)
      await server.post('/v1/services/contested/start')
      const status = await server.status('contested')
      t.match(status, { state: 'running', desiredState: 'running', module: 'echo.js' })
      t.equal(status.threads.filter(({ state }: { state: string }) => state === 'running').length, 1)
      t.match(await server.call('contested', 'any', round), { json: round })
    }
  },
)
